/**
 * Which elements of which nftables sets one guarded endpoint needs. The sets, for each role (vip,
 * real) and family (4, 6):
 *
 *     <role><family>          address . protocol . port     ports of whole packets, first fragments
 *     <role><family>_any      address . protocol            services on port 0: every port
 *     <role><family>_hosts    address                       where later fragments matter
 *     <role><family>_quoted   the first, as integers        inside ICMP errors (raw payload)
 *     <role><family>_anyq     the second, as integers
 *     <role><family>_ftp      address                       whose FTP data connections are followed
 *
 * nftables compares raw payload with integers only, hence the twins.
 */
import { isIP } from 'node:net'
import type { ProtocolName } from '../../dataplane/protocol.js'

/** An endpoint that the dataplane owns: a service's (vip) or a real server's behind NAT (real). */
export interface Guarded {
  role: 'vip' | 'real'
  address: string
  protocol: ProtocolName
  /** 0 means every port. */
  port: number
  /** Of an FTP service: its data connections, on ports that only its packets tell, are owned too. */
  ftp?: boolean
}

/** One element of one set; the pair is what is counted and handed to nft. */
export interface SetElement {
  set: string
  element: string
}

const NUMBERS: Record<ProtocolName, number> = { tcp: 6, udp: 17, sctp: 132 }

const ISAKMP_PORT = 500
/** ESP and AH. */
const IPSEC = [50, 51]

const FTP_DATA_PORT = 20

export function elementsOf({ ftp = false, ...endpoint }: Guarded): SetElement[] {
  if (!ftp) return endpointElements(endpoint)
  const { role, address, port } = endpoint
  // A service's data port is 20 in every lookup; a server sends from the port below its own.
  const data = { ...endpoint, port: role === 'vip' ? FTP_DATA_PORT : port - 1 }
  return [
    ...endpointElements(endpoint),
    // 0 would be every port.
    ...(data.port === 0 ? [] : endpointElements(data)),
    { set: `${role}${isIP(address)}_ftp`, element: address },
  ]
}

function endpointElements({ role, address, protocol, port }: Omit<Guarded, 'ftp'>): SetElement[] {
  const name = `${role}${isIP(address)}`
  const number = NUMBERS[protocol]
  const integer = integerOf(address)
  const hosts = { set: `${name}_hosts`, element: address }
  if (port === 0)
    return [
      { set: `${name}_any`, element: `${address} . ${number}` },
      { set: `${name}_anyq`, element: `${integer} . ${number}` },
      hosts,
    ]
  // IPsec follows its key exchange, whose endpoint this is.
  const ipsec = protocol === 'udp' && port === ISAKMP_PORT ? IPSEC : []
  return [
    ...ipsec.flatMap(each => [
      { set: `${name}_any`, element: `${address} . ${each}` },
      { set: `${name}_anyq`, element: `${integer} . ${each}` },
    ]),
    { set: name, element: `${address} . ${number} . ${port}` },
    { set: `${name}_quoted`, element: `${integer} . ${number} . ${port}` },
    hosts,
  ]
}

/** The address as one hexadecimal integer in network order. */
function integerOf(address: string): string {
  return `0x${isIP(address) === 4 ? ipv4Hex(address) : ipv6Hex(address)}`
}

const ipv4Hex = (address: string) =>
  address
    .split('.')
    .map(octet => Number(octet).toString(16).padStart(2, '0'))
    .join('')

function ipv6Hex(address: string): string {
  // An embedded IPv4 tail (RFC 4291 section 2.2) stands for the last two groups.
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  const text = tail ? tail[1]! + ipv4Hex(tail[2]!).replace(/(....)(....)/, '$1:$2') : address
  const [left = '', right] = text.split('::')
  const groups = (side: string) => (side === '' ? [] : side.split(':'))
  const head = groups(left)
  const rest = right === undefined ? [] : groups(right)
  const zeros = Array<string>(8 - head.length - rest.length).fill('0')
  return [...head, ...zeros, ...rest].map(group => group.padStart(4, '0')).join('')
}
