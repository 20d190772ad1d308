/**
 * The settings of the kernel's IPVS (/proc/sys/net/ipv4/vs) that /v1/settings does not have, each
 * with the reason: a client that carries its sysctl.conf over is told what became of every line.
 */
import type { Fault } from '../errors.js'
import { DEFAULT_SETTINGS, type SettingsFields } from '../schemas/settings.js'

/** Will come with what it belongs to. */
const NOT_YET: Readonly<Record<string, string>> = {
  sync_version: 'synchronisation',
  sync_ports: 'synchronisation',
  sync_persist_mode: 'synchronisation',
  sync_qlen_max: 'synchronisation',
  sync_sock_size: 'synchronisation',
  sync_threshold: 'synchronisation',
  sync_refresh_period: 'synchronisation',
  sync_retries: 'synchronisation',
  backup_only: 'synchronisation',
}

const NO_MEANING: Readonly<Record<string, string>> = {
  conntrack:
    'the packets that the dataplane forwards never pass the kernel’s connection tracking, so ' +
    'there are no entries to keep',
  snat_reroute:
    'the dataplane always routes an answer by the client that it goes to; no route was chosen ' +
    'before that could be changed',
  ignore_tunneled:
    'the dataplane takes packets from the interfaces it was given only, never from the kernel’s ' +
    'tunnel devices',
  est_cpulist: 'the rate estimator is a timer of the dataplane’s thread, not a kernel thread',
  est_nice: 'the rate estimator is a timer of the dataplane’s thread, not a kernel thread',
  debug_level: 'it is the kernel module’s; the log level is set at start, with --log-level',
  conn_max: 'the connection table is allocated at start, with --connections-max',
  conn_tab_bits: 'the buckets of the connection table follow from --connections-max',
  conn_lfactor: 'the connection table is allocated at start and never resized',
  svc_lfactor: 'the service table is a map without a load factor to choose',
}

const snakeCase = (name: string): string =>
  name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

/** Those of our settings that /proc/sys/net/ipv4/vs has not. */
const NOT_KERNELS: ReadonlySet<string> = new Set<keyof SettingsFields>([
  'timeouts',
  'stateTimeouts',
  'ftpPorts',
  'ftpForeignPort',
  'ftpForeignServer',
  'ftpRewriteRetransmissions',
])

/** What the settings have, by the kernel's name. */
const OURS = new Map(
  Object.keys(DEFAULT_SETTINGS)
    .filter(name => !NOT_KERNELS.has(name))
    .map(name => [snakeCase(name).replace(/_seconds$/, ''), name]),
)

/** Every name of the kernel's that stands in the tables; for the tests. */
export const refusedKnobs = [...Object.keys(NOT_YET), ...Object.keys(NO_MEANING)]

/** A better word for an unknown field that is one of the kernel's settings. */
export function explainKnob(fault: Fault): Fault {
  if (fault.code !== 'UNKNOWN_FIELD' || fault.pointer === undefined) return fault
  const name = snakeCase(fault.pointer.slice(1)).replace(/^net\.ipv4\.vs\./, '')
  const { pointer } = fault
  if (Object.hasOwn(NOT_YET, name)) {
    const detail = `The kernel's ${name} is not supported yet: it belongs to ${NOT_YET[name]}.`
    return { pointer, code: 'NOT_SUPPORTED_YET', detail }
  }
  if (Object.hasOwn(NO_MEANING, name)) {
    const detail = `The kernel's ${name} has no meaning in user space: ${NO_MEANING[name]}.`
    return { pointer, code: 'NO_MEANING', detail, hint: 'Leave it out.' }
  }
  const ours = OURS.get(name)
  if (ours === undefined) return fault
  return { ...fault, hint: `The kernel's ${name} is '${ours}' here.` }
}
