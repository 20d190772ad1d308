/**
 * What is used of npm raw-socket, which brings no types. The handle below its Socket is used
 * directly: the Socket takes one packet for each turn of the event loop and queues each one that it
 * sends, where `recv` and `send` of the handle can be called until the kernel has no more.
 */
import { createRequire } from 'node:module'
import type { FamilyName } from '../../dataplane/protocol.js'

export interface RawHandle {
  on(event: 'recvReady', listener: () => void): void
  on(event: 'error', listener: (error: Error) => void): void
  /** Calls back at once, or throws; an empty socket is "Resource temporarily unavailable". */
  recv(buffer: Buffer, callback: (buffer: Buffer, octets: number, source: string) => void): void
  /** Calls back at once, or throws. */
  send(buffer: Buffer, at: number, octets: number, to: string, callback: () => void): void
  setOption(level: number, option: number, value: number): void
  setOption(level: number, option: number, value: Buffer, octets: number): void
  close(): void
}

interface Library {
  AddressFamily: { IPv4: number; IPv6: number }
  createSocket(options: { protocol: number; addressFamily: number; bufferSize: number }): {
    wrap: RawHandle & { removeAllListeners(event: 'recvReady'): void }
  }
}

/** A raw socket for that IP protocol. Main thread only: the library knows one event loop. */
export function openRawSocket(protocol: number, family: FamilyName = 'ipv4'): RawHandle {
  const library = createRequire(import.meta.url)('raw-socket') as Library
  const { IPv4, IPv6 } = library.AddressFamily
  const addressFamily = family === 'ipv4' ? IPv4 : IPv6
  const { wrap } = library.createSocket({ protocol, addressFamily, bufferSize: 1 })
  wrap.removeAllListeners('recvReady')
  return wrap
}
