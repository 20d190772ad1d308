/** TCP by blocking system calls, for programs that measure. Everything here throws on failure. */
import koffi from 'koffi'
import { isIP } from 'node:net'

const libc = koffi.load('libc.so.6')
const call = <Arguments extends unknown[]>(prototype: string): ((...args: Arguments) => number) =>
  libc.func(prototype)

const socket = call<[number, number, number]>('int socket(int, int, int)')
const bind = call<[number, Uint8Array, number]>('int bind(int, void*, uint32_t)')
const listenOn = call<[number, number]>('int listen(int, int)')
const acceptOn = call<[number, null, null]>('int accept(int, void*, void*)')
const connectTo = call<[number, Uint8Array, number]>('int connect(int, void*, uint32_t)')
const setsockopt = call<[number, number, number, Int32Array, number]>(
  'int setsockopt(int, int, int, void*, uint32_t)',
)
const sendOn = call<[number, Uint8Array, number, number]>('int64_t send(int, void*, size_t, int)')
const recvOn = call<[number, Uint8Array, number, number]>(
  'int64_t recv(int, _Out_ void*, size_t, int)',
)
export const close = call<[fd: number]>('int close(int)')

const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const IPPROTO_TCP = 6
const TCP_NODELAY = 1
const MSG_NOSIGNAL = 0x4000

/** A listener for IPv4 and IPv6. */
export function listen(port: number): number {
  const fd = must('socket', socket(AF_INET6, SOCK_STREAM, 0))
  setOption(fd, SOL_SOCKET, SO_REUSEADDR)
  const address = endpoint('::', port)
  must('bind', bind(fd, address, address.length))
  must('listen', listenOn(fd, 128))
  return fd
}

export function accept(listener: number): number {
  const fd = must('accept', acceptOn(listener, null, null))
  setOption(fd, IPPROTO_TCP, TCP_NODELAY)
  return fd
}

export function connect(host: string, port: number): number {
  const domain = isIP(host) === 6 ? AF_INET6 : AF_INET
  const fd = must('socket', socket(domain, SOCK_STREAM, 0))
  const address = endpoint(host, port)
  must('connect', connectTo(fd, address, address.length))
  setOption(fd, IPPROTO_TCP, TCP_NODELAY)
  return fd
}

export const send = (fd: number, bytes: Uint8Array, octets: number): number =>
  must('send', sendOn(fd, bytes, octets, MSG_NOSIGNAL))

/** How many octets came: 0 at the end of the connection, negative when it was reset. */
export const receive = (fd: number, into: Uint8Array): number => recvOn(fd, into, into.length, 0)

/** struct sockaddr_in or sockaddr_in6. */
function endpoint(host: string, port: number): Uint8Array {
  const isIpv6 = isIP(host) === 6
  const bytes = new Uint8Array(isIpv6 ? 28 : 16)
  const v = new DataView(bytes.buffer)
  new Uint16Array(bytes.buffer)[0] = isIpv6 ? AF_INET6 : AF_INET
  v.setUint16(2, port)
  if (isIpv6) words(host).forEach((word, i) => v.setUint16(8 + i * 2, word))
  else host.split('.').forEach((part, i) => v.setUint8(4 + i, Number(part)))
  return bytes
}

/** The eight 16-bit words of an IPv6 address, RFC 4291 section 2.2. */
function words(text: string): number[] {
  const [front = '', back] = text.split('::')
  const parse = (part: string) =>
    part
      .split(':')
      .filter(Boolean)
      .map(word => parseInt(word, 16))
  if (back === undefined) return parse(front)
  const [head, tail] = [parse(front), parse(back)]
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

function setOption(fd: number, level: number, name: number): void {
  must('setsockopt', setsockopt(fd, level, name, Int32Array.of(1), 4))
}

function must(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`)
  return result
}
