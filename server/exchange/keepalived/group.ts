/** virtual_server_group: addresses, ranges of them, and marks that one virtual_server stands for. */
import { SERVICES_MAX } from '../../../dataplane/limits.js'
import { FWMARK_MAX } from '../../schemas/virtual-service.js'
import { mark } from '../report.js'
import { addressesOf, rangeOf } from './address-range.js'
import { ignore } from './ignored.js'
import type { Node } from './tree.js'
import { numberOf } from './values.js'

export interface Member {
  family: 4 | 6 | null
  /** Null for a mark. */
  address: string | null
  /** 0: none given. */
  port: number
  fwmark: number
}

export interface Group {
  node: Node
  members: Member[]
}

/** Faulty members have their reason in the report and are left out. */
export function readGroup(node: Node): Group {
  const members: Member[] = []
  for (const child of node.children ?? []) {
    if (child.children !== null) ignore(child, 'A virtual_server_group has no blocks.')
    else if (child.keyword === 'fwmark') readMark(child, members)
    else readRange(child, members)
  }
  if (members.length === 0) mark(node.entry, 'ignored', 'The group has no members.')
  return { node, members }
}

function readMark({ args, entry }: Node, members: Member[]): void {
  const fwmark = numberOf(args[0], 1, FWMARK_MAX)
  const family = { inet: 4 as const, inet6: 6 as const }[args[1] ?? ''] ?? null
  if (fwmark === null) return mark(entry, 'refused', `'${args[0] ?? ''}' is not a mark.`)
  if (args[1] !== undefined && family === null)
    return mark(entry, 'refused', `'${args[1]}' is neither inet nor inet6.`)
  members.push({ family, address: null, port: 0, fwmark })
}

function readRange({ keyword, args, entry }: Node, members: Member[]): void {
  const range = rangeOf(keyword)
  if (typeof range === 'string') return mark(entry, 'refused', range)
  const port = args[0] === undefined ? 0 : numberOf(args[0], 0, 65535)
  if (port === null) return mark(entry, 'refused', `'${args[0]}' is not a port.`)
  if (range.last - range.first >= SERVICES_MAX || members.length >= SERVICES_MAX) {
    const reason = `There can be at most ${SERVICES_MAX - 1} virtual services.`
    return mark(entry, 'refused', reason)
  }
  for (const address of addressesOf(range))
    members.push({ family: range.family, address, port, fwmark: 0 })
}
