/** What keepalived.conf says that is not taken, and why. */
import { nearest } from '../../nearest.js'
import { mark } from '../report.js'
import { within, type Node } from './tree.js'

const NO_NOTIFY = 'Nothing is run when a state changes; /v1/events tells of it.'
const NO_VRRP = 'VRRP stays with keepalived or another program.'

/** Of a real server or of a virtual server that speaks for all of its own. */
export const CHECKING: Readonly<Record<string, string>> = {
  FILE_CHECK: 'Files that are tracked elsewhere are not here; use a check of the kind file.',
  BFD_CHECK: 'BFD stays with keepalived or another program.',
  warmup: 'First runs are spread anyway.',
  log_all_failures: 'Runs and their errors are in /v1/health and the log.',
  notify_up: NO_NOTIFY,
  notify_down: NO_NOTIFY,
  smtp_alert: 'Sluice sends no mail.',
  snmp_name: 'Sluice does not speak SNMP.',
}

export const OF_SERVICE: Readonly<Record<string, string>> = {
  ...CHECKING,
  omega: NO_NOTIFY,
  quorum_up: NO_NOTIFY,
  quorum_down: NO_NOTIFY,
  ha_suspend: 'An address is served by whoever has it; nothing is suspended.',
  hashed: "It is the kernel's own flag and changes nothing.",
}

export function reasonForSection(keyword: string): string {
  if (/^(vrrp|static_|garp_group|track_|linkbeat|interface_up_down)/.test(keyword)) return NO_VRRP
  if (keyword === 'global_defs') return 'Only lvs_timeouts is taken of the global definitions.'
  if (keyword === 'bfd_instance') return 'BFD stays with keepalived or another program.'
  if (keyword === 'SSL') return 'SSL_GET checks verify nothing and have no certificate.'
  if (keyword === '{') return 'It belongs to no statement.'
  return `'${keyword.slice(0, 60)}' is nothing that can be taken.`
}

/** A statement with everything in its block. */
export function ignore(node: Node, reason: string): void {
  mark(node.entry, 'ignored', reason)
  for (const { entry } of within(node)) mark(entry, 'ignored', reason)
}

export function unknown(keyword: string, known: readonly string[]): string {
  const name = keyword.slice(0, 60)
  const near = nearest(name, known)
  const hint = near === null ? '' : ` Did you mean '${near}'?`
  return `keepalived has no '${name}' here.${hint}`
}
