/**
 * The C library, called from this thread. koffi works in worker threads and needs no compiler.
 *
 * Addresses are plain numbers (`uintptr_t`), never BigInt or koffi pointers: user space ends below
 * 2^47, so a double holds them exactly, and a call with numbers alone allocates nothing. A call
 * costs about 0.25 us, an `koffi.as` another 1 us, so the packet path passes prepared addresses.
 */
import koffi from 'koffi'
import { SystemError } from './errno.js'

const libc = koffi.load('libc.so.6')

type Call<Arguments extends number[]> = (...args: Arguments) => number
function bind<Arguments extends number[]>(prototype: string): Call<Arguments> {
  return libc.func(prototype)
}
/** As `bind`, for calls whose pointers are given as typed arrays, on paths where speed is no matter. */
type Bytes = Uint8Array | Int32Array
function bindBytes<Arguments extends (number | Bytes | null)[]>(
  prototype: string,
): (...args: Arguments) => number {
  return libc.func(prototype)
}

export const socket = bind<[domain: number, type: number, protocol: number]>(
  'int socket(int, int, int)',
)
export const close = bind<[fd: number]>('int close(int)')
export const dup2 = bind<[from: number, to: number]>('int dup2(int, int)')
export const bindSocket = bindBytes<[fd: number, address: Bytes, length: number]>(
  'int bind(int, void*, uint32_t)',
)
export const setsockopt = bindBytes<
  [fd: number, level: number, name: number, value: Bytes, length: number]
>('int setsockopt(int, int, int, void*, uint32_t)')
export const getsockopt = bindBytes<
  [fd: number, level: number, name: number, value: Bytes, length: Bytes]
>('int getsockopt(int, int, int, _Inout_ void*, _Inout_ void*)')
export const getsockname = bindBytes<[fd: number, address: Bytes, length: Bytes]>(
  'int getsockname(int, void*, void*)',
)
export const ioctl = bindBytes<[fd: number, request: number, argument: Bytes]>(
  'int ioctl(int, unsigned long, void*)',
)
export const eventfd = bind<[initial: number, flags: number]>('int eventfd(unsigned int, int)')

export const mmap = bind<
  [hint: number, octets: number, protection: number, flags: number, fd: number, offset: number]
>('int64_t mmap(uintptr_t, size_t, int, int, int, int64_t)')
export const munmap = bind<[address: number, octets: number]>('int munmap(uintptr_t, size_t)')

export const poll = bind<[fds: number, count: number, timeoutMs: number]>(
  'int poll(uintptr_t, unsigned long, int)',
)
/** A null set and count 0 make it a sleep with finer grain than `poll`. */
export const ppoll = bind<[fds: number, count: number, timespec: number, signals: number]>(
  'int ppoll(uintptr_t, unsigned long, uintptr_t, uintptr_t)',
)
export const sendmmsg = bind<[fd: number, headers: number, count: number, flags: number]>(
  'int sendmmsg(int, uintptr_t, unsigned int, int)',
)
export const recvmmsg = bind<
  [fd: number, headers: number, count: number, flags: number, timeout: number]
>('int recvmmsg(int, uintptr_t, unsigned int, int, uintptr_t)')
export const sendto = bind<
  [fd: number, data: number, octets: number, flags: number, address: number, length: number]
>('int64_t sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)')
export const recv = bind<[fd: number, data: number, octets: number, flags: number]>(
  'int64_t recv(int, uintptr_t, size_t, int)',
)
export const readBytes = bindBytes<[fd: number, data: Bytes, octets: number]>(
  'int64_t read(int, _Inout_ void*, size_t)',
)

export const writeBytes = bindBytes<[fd: number, data: Bytes, octets: number]>(
  'int64_t write(int, void*, size_t)',
)

/** Lets another thread that waits for this core have it; returns at once when there is none. */
export const yieldCore = bind<[]>('int sched_yield()')

/** A system call that libc has no function for, of that shape. */
export const syscallBytes = bindBytes<
  [number: number, command: number, argument: Bytes, octets: number]
>('long syscall(long, long, void*, long)')

/** The error of this thread's last failed call; ask before anything else is called. */
export const errno = (): number => koffi.errno()

/** An `ArrayBuffer` over mapped memory. It must not be touched once the memory is unmapped. */
export const view = (address: number, octets: number): ArrayBuffer =>
  koffi.view(BigInt(address), octets)

/** Returns `result`, or throws with the name of the call when it is negative. */
export function must(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, errno())
  return result
}

/** Kernel structures are in the machine's own byte order: the flag that DataView takes for it. */
export const HOST_ORDER = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
