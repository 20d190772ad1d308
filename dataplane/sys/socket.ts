/** Opening sockets and setting their options. Everything here throws SystemError. */
import type { DescriptorLedger } from './descriptors.js'
import * as libc from './libc.js'

export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000

export const SOL_SOCKET = 1
export const SO_ERROR = 4
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_ATTACH_FILTER = 26
export const SO_MARK = 36
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_COOKIE = 57

export const MSG_DONTWAIT = 0x40
export const MSG_TRUNC = 0x20

/** A non-blocking, close-on-exec socket, raw unless told otherwise, recorded in the ledger. */
export function openSocket(
  ledger: DescriptorLedger,
  domain: number,
  protocol: number,
  type = SOCK_RAW,
): number {
  const flags = SOCK_NONBLOCK | SOCK_CLOEXEC
  return ledger.record(libc.must('socket', libc.socket(domain, type | flags, protocol)))
}

const word = new Int32Array(1)
export function setOption(fd: number, level: number, name: number, value: number): void {
  word[0] = value
  libc.must(`setsockopt ${level}/${name}`, libc.setsockopt(fd, level, name, word, 4))
}

/** Sets a buffer size past the system's limit where we may, within it where we may not. */
export function setBuffer(fd: number, which: 'send' | 'receive', octets: number): void {
  const [force, plain] =
    which === 'send' ? [SO_SNDBUFFORCE, SO_SNDBUF] : [SO_RCVBUFFORCE, SO_RCVBUF]
  word[0] = octets
  if (libc.setsockopt(fd, SOL_SOCKET, force, word, 4) < 0) setOption(fd, SOL_SOCKET, plain, octets)
}

const errorWord = new Int32Array(1)
const errorLength = new Int32Array(1)
/** Fetches and clears the pending asynchronous error (ENETDOWN when a link goes down); 0 for none. */
export function takeError(fd: number): number {
  errorLength[0] = 4
  errorWord[0] = 0
  if (libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, errorWord, errorLength) < 0) return libc.errno()
  return errorWord[0]
}
