/** Reads keepalived.conf: its virtual servers, as keepalived would have set them up. */
import { PERSISTENCE_MAX_S } from '../schemas/virtual-service.js'
import { Assembly, type Imported, type TimeoutName } from './assembly.js'
import type { ImportOptions } from './ipvsadm-import.js'
import { expand } from './keepalived/expansion.js'
import { readGroup, type Group } from './keepalived/group.js'
import { ignore, reasonForSection } from './keepalived/ignored.js'
import { addServices } from './keepalived/services.js'
import { readTree, type Node } from './keepalived/tree.js'
import { numberOf } from './keepalived/values.js'
import { readVirtualServer } from './keepalived/virtual-server.js'
import { pacer } from './pacing.js'
import { NOTHING } from './present.js'
import { mark, Report } from './report.js'

export interface KeepalivedOptions extends Omit<ImportOptions, 'names'> {
  /** What conditional lines (`@id …`) are compared with; none: as without keepalived's `-i`. */
  configId?: string
}

/** Never rejects, whatever the text; every line that says something has an entry in the report. */
export async function importKeepalived(
  text: string,
  options: KeepalivedOptions = {},
): Promise<Imported> {
  const { present = NOTHING, manageAddress = true, configId = null } = options
  const report = new Report()
  const assembly = new Assembly(report, present, manageAddress)
  const pause = pacer()
  const lines = expand(text, configId, report)
  await pause()
  const roots = readTree(lines, report)
  const groups = readGroups(roots)
  const used = new Set<string>()
  for (const node of roots) {
    await pause()
    if (node.keyword === 'virtual_server') {
      if (node.args[0] === 'group') used.add(node.args[1] ?? '')
      const server = readVirtualServer(node, groups)
      if (server !== null) addServices(server, assembly)
    } else if (node.keyword === 'global_defs') readGlobals(node, assembly)
    else if (node.keyword !== 'virtual_server_group') ignore(node, reasonForSection(node.keyword))
  }
  for (const [name, { node }] of groups)
    if (!used.has(name)) ignore(node, 'No virtual_server stands for the group.')
  return await assembly.finish(pause)
}

function readGroups(roots: readonly Node[]): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const node of roots) {
    if (node.keyword !== 'virtual_server_group') continue
    const [name] = node.args
    if (name === undefined) ignore(node, 'The group has no name.')
    else if (groups.has(name)) ignore(node, `There is a group '${name}' above.`)
    else groups.set(name, readGroup(node))
  }
  return groups
}

const TIMEOUTS: Readonly<Record<string, TimeoutName>> = {
  tcp: 'tcpSeconds',
  tcpfin: 'tcpFinSeconds',
  udp: 'udpSeconds',
}

function readGlobals(node: Node, assembly: Assembly): void {
  const children = node.children ?? []
  const taken = children.filter(({ keyword }) => keyword === 'lvs_timeouts')
  if (taken.length === 0) return ignore(node, reasonForSection('global_defs'))
  for (const child of children)
    if (!taken.includes(child)) ignore(child, reasonForSection('global_defs'))
  for (const { args, entry } of taken) {
    for (let i = 0; i < args.length; i += 2) {
      const name = Object.hasOwn(TIMEOUTS, args[i]!) ? TIMEOUTS[args[i]!] : undefined
      const value = numberOf(args[i + 1], 0, PERSISTENCE_MAX_S)
      if (name === undefined) mark(entry, 'refused', `'${args[i]}' is not tcp, tcpfin or udp.`)
      else if (value === null) mark(entry, 'refused', `It is 0 to ${PERSISTENCE_MAX_S} seconds.`)
      // 0 keeps a value.
      else if (value > 0) assembly.setTimeouts({ [name]: value })
    }
    if (entry.action === 'taken') entry.pointer = '/settings/timeouts'
  }
}
