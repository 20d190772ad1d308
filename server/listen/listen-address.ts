/** Where the API listens: text to address and back, and what may be listened on how. */
import { isIP } from 'node:net'

export interface TcpAddress {
  kind: 'tcp'
  host: string
  port: number
  tls: boolean
}
export interface UnixAddress {
  kind: 'unix'
  path: string
}
export type ListenAddress = TcpAddress | UnixAddress

const WANTED = 'expected host:port, [ipv6]:port or unix:/path, as in 127.0.0.1:7480'

/**
 * Reads `[http://|https://]host:port` or `unix:/path`; throws in words for a person. Without a scheme
 * a TCP address is secured when `tls`, that is when there is a certificate.
 */
export function parseListen(text: string, tls: boolean): ListenAddress {
  if (text.startsWith('unix:')) return { kind: 'unix', path: socketPath(text.slice(5), 'unix:') }
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*)$/.exec(text)!
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(rest)
  if (!match) {
    const bare = isIP(rest) === 6 || rest.split(':').length > 2
    const hint = bare ? `; write an IPv6 address in brackets, as in [::1]:7480` : ''
    throw new Error(`'${text}' is not an address to listen on: ${WANTED}${hint}`)
  }
  const [, bracketed, plain, digits] = match
  const port = Number(digits)
  if (port > 65535) throw new Error(`port ${digits} is above 65535`)
  if (bracketed !== undefined && isIP(bracketed) !== 6)
    throw new Error(`'${bracketed}' between brackets is not an IPv6 address`)
  const host = bracketed ?? plain ?? ''
  if (host === '')
    throw new Error(`'${text}' names no host: ${WANTED}; 0.0.0.0:${port} means every address`)
  // A mistyped IPv4 address must not be looked up as a name.
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) throw new Error(`'${host}' is not an IPv4 address`)
  if (!/^[\w.:%-]+$/.test(host)) throw new Error(`'${host}' is not a host name or address`)
  return { kind: 'tcp', host, port, tls: scheme === undefined ? tls : scheme === 'https' }
}

/** An absolute path that a unix socket can have. */
export function socketPath(path: string, prefix = ''): string {
  if (!path.startsWith('/'))
    throw new Error(`'${prefix}${path}' needs an absolute path, as in ${prefix}/run/sluice.sock`)
  // sockaddr_un.sun_path holds 108 octets with its terminator (unix(7)).
  if (Buffer.byteLength(path) > 107)
    throw new Error(
      `the path of a unix socket has at most 107 octets, not ${Buffer.byteLength(path)}; choose a shorter one`,
    )
  return path
}

/** As a URL, for the ready line and for people; `port` is what the kernel chose for port 0. */
export function urlOf(listen: ListenAddress, port?: number): string {
  if (listen.kind === 'unix') return `unix:${listen.path}`
  const host = isIP(listen.host) === 6 ? `[${listen.host}]` : listen.host
  return `${listen.tls ? 'https' : 'http'}://${host}:${port ?? listen.port}`
}

/** Only this host can reach it. A name other than localhost may mean anything. */
export const isLoopback = ({ host }: TcpAddress): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
