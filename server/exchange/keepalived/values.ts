/** Values as keepalived reads them: numbers are decimal, ports are never names. */
import { parseAddress, type IpAddress } from '../../ip-address.js'
import { inetAton } from '../../ipvsadm/values.js'
import type { DestSpec, Forwarding } from '../../ipvsadm/model.js'

export type Tunnel = DestSpec['tunnel']
export interface Method {
  forwarding: Forwarding
  tunnel: Tunnel
}

export const NAT: Method = {
  forwarding: 'masq',
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
}

/** Null for everything but a decimal number within bounds. */
export function numberOf(text: string | undefined, least: number, most: number): number | null {
  if (text === undefined || !/^\d{1,12}$/.test(text)) return null
  const value = Number(text)
  return value >= least && value <= most ? value : null
}

export interface Endpoint extends IpAddress {
  /** Null when none is given. */
  port: number | null
}

/** An address and perhaps a port behind it, or what is wrong. */
export function endpointOf([host = '', port]: readonly string[]): Endpoint | string {
  const address = parseAddress(host)
  if (address === null) return `'${host}' is neither an IPv4 nor an IPv6 address.`
  if (port === undefined) return { ...address, port: null }
  const number = numberOf(port, 0, 65535)
  if (number === null) return `'${port}' is not a port; keepalived takes numbers only.`
  // 0 stands for "none" there as well.
  return { ...address, port: number === 0 ? null : number }
}

/** `NAT`, `DR`, or `TUN` with the words that tell what kind of tunnel; or what is wrong. */
export function methodOf([method = '', ...words]: readonly string[]): Method | string {
  if (method === 'NAT') return NAT
  if (method === 'DR') return { ...NAT, forwarding: 'dr' }
  if (method !== 'TUN') return `There is no method '${method}'; it is NAT, DR or TUN.`
  const tunnel: Tunnel = { ...NAT.tunnel }
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === 'type') {
      const type = words[++i]
      if (type !== 'ipip' && type !== 'gue' && type !== 'gre')
        return `There is no tunnel '${type ?? ''}'; it is ipip, gue or gre.`
      tunnel.type = type
    } else if (word === 'port') {
      const port = numberOf(words[++i], 1, 65535)
      if (port === null) return `'${words[i] ?? ''}' is not a port.`
      tunnel.port = port
    } else if (word === 'nocsum') tunnel.checksum = 'none'
    else if (word === 'csum') tunnel.checksum = 'checksum'
    else if (word === 'remcsum') tunnel.checksum = 'remote'
    else return `'${word}' says nothing about a tunnel.`
  }
  return faultOf(tunnel) ?? { forwarding: 'tunnel', tunnel }
}

function faultOf({ type, port, checksum }: Tunnel): string | null {
  if ((type === 'gue') !== port > 0) return 'A gue tunnel needs a port, and no other has one.'
  if (type === 'ipip' && checksum !== 'none') return 'An ipip tunnel has no checksum.'
  if (type === 'gre' && checksum === 'remote') return 'A gre tunnel has no remote checksum.'
  return null
}

/** `persistence_granularity`: a mask for IPv4 as inet_aton(3) reads it, a length for IPv6. */
export function granularityOf(text: string, family: 4 | 6): string | number | null {
  if (family === 6) return numberOf(text, 1, 128)
  const mask = inetAton(text)
  if (mask === null) return null
  return [mask >>> 24, (mask >>> 16) & 255, (mask >>> 8) & 255, mask & 255].join('.')
}
