/**
 * What is used of npm raw-socket, by hand because it brings no types. Its wrapper objects are used
 * directly: its own Socket queues every packet, copies it, and takes one for each turn of the event
 * loop, where `recv` and `send` below can be called until the kernel has no more.
 */
import { createRequire } from 'node:module'

export interface RawHandle {
  on(event: 'recvReady', listener: () => void): void
  on(event: 'error', listener: (error: Error) => void): void
  /** Calls back at once, or throws: EAGAIN as "Resource temporarily unavailable". */
  recv(buffer: Buffer, callback: (buffer: Buffer, octets: number, source: string) => void): void
  send(
    buffer: Buffer,
    offset: number,
    length: number,
    address: string,
    callback: (octets: number) => void,
  ): void
  pause(recv: boolean, send: boolean): void
  setOption(level: number, option: number, value: number): void
  close(): void
}

interface RawLibrary {
  createSocket(options: { protocol: number; bufferSize?: number }): RawSocket
}

/** The library's Socket: an EventEmitter around the handle. */
interface RawSocket {
  readonly wrap: RawHandle & { removeAllListeners(event: 'recvReady'): void }
  on(event: 'error', listener: (error: Error) => void): void
  on(event: 'close', listener: () => void): void
  close(): void
}

/** Sockets of IPv4 for that IP protocol. Main thread only: the library knows no other event loop. */
export function openRawSocket(protocol: number): RawSocket {
  const library = createRequire(import.meta.url)('raw-socket') as RawLibrary
  return library.createSocket({ protocol, bufferSize: 0 })
}

export type { RawSocket }
