/** Who is who, the same in every test, demo and bench: RFC 5737, RFC 1918 and RFC 3849 addresses. */
export type Family = 'ipv4' | 'ipv6'
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']

export const CLIENT = { ipv4: '192.0.2.10', ipv6: '2001:db8:1::10' } as const
export const DIRECTOR_CLIENT_SIDE = { ipv4: '192.0.2.1', ipv6: '2001:db8:1::1' } as const
export const DIRECTOR_SERVER_SIDE = { ipv4: '10.0.0.254', ipv6: '2001:db8:2::fe' } as const
export const VIP = { ipv4: '198.51.100.10', ipv6: '2001:db8:f::10' } as const
/** A second one, for whoever must not meet the first. */
export const OTHER_VIP = { ipv4: '198.51.100.20', ipv6: '2001:db8:f::20' } as const

/** Real servers are called a, b, c, …; their numbers follow. */
export const SERVER_NAMES = ['a', 'b', 'c'] as const
export type ServerName = (typeof SERVER_NAMES)[number]
export const serverAddress = (name: ServerName, family: Family): string =>
  SERVER[family] + String(SERVER_NAMES.indexOf(name) + 1)
const SERVER = { ipv4: '10.0.0.', ipv6: '2001:db8:2::' } as const

/** Names of interfaces, as `ip link` shows them in each host. */
export const CLIENT_DEVICE = 'eth0'
export const DIRECTOR_DEVICES = ['client0', 'server0'] as const
export const SERVER_DEVICE = 'eth0'

/** What belongs in a URL: IPv6 in brackets. */
export const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address)
