/** Interfaces as the API shows them: what the dataplane works on, with the host's addresses. */
import type { NetworkInterfaceInfo } from 'node:os'
import type { PortInfo } from '../../dataplane/protocol.js'
import { byName } from '../documents/views.js'

export interface InterfaceView {
  name: string
  /** Whether the dataplane receives and sends on it. */
  dataplane: boolean
  index?: number
  macAddress: string
  mtuOctets?: number
  /** In CIDR form. */
  addresses: string[]
}

export function listInterfaces(
  ports: readonly PortInfo[],
  host: NodeJS.Dict<NetworkInterfaceInfo[]>,
): InterfaceView[] {
  const addressesOf = (name: string) => (host[name] ?? []).flatMap(({ cidr }) => cidr ?? [])
  const own = ports.map(({ name, ifIndex, mac, mtuOctets }) => ({
    name,
    dataplane: true,
    index: ifIndex,
    macAddress: mac,
    mtuOctets,
    addresses: addressesOf(name),
  }))
  const names = new Set(ports.map(port => port.name))
  const others = Object.entries(host)
    .filter(([name]) => !names.has(name))
    .map(([name, infos]) => ({
      name,
      dataplane: false,
      macAddress: infos?.[0]?.mac ?? '',
      addresses: addressesOf(name),
    }))
  return [...own, ...others].sort(byName)
}
