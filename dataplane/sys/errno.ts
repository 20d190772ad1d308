/** Error numbers of Linux (asm-generic/errno*.h) that somebody here tells apart, and their names. */
export const EPERM = 1
export const ENOENT = 2
export const EINTR = 4
export const ENXIO = 6
export const EAGAIN = 11
export const EACCES = 13
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const EINVAL = 22
export const ENOSYS = 38
export const EMSGSIZE = 90
export const EAFNOSUPPORT = 97
export const ENETDOWN = 100
export const ENOBUFS = 105

const NAMES: Readonly<Record<number, string>> = {
  [EPERM]: 'EPERM',
  [ENOENT]: 'ENOENT',
  [EINTR]: 'EINTR',
  [ENXIO]: 'ENXIO',
  [EAGAIN]: 'EAGAIN',
  12: 'ENOMEM',
  [EACCES]: 'EACCES',
  [EBUSY]: 'EBUSY',
  [EEXIST]: 'EEXIST',
  [ENODEV]: 'ENODEV',
  [EINVAL]: 'EINVAL',
  24: 'EMFILE',
  [ENOSYS]: 'ENOSYS',
  [EMSGSIZE]: 'EMSGSIZE',
  92: 'ENOPROTOOPT',
  [EAFNOSUPPORT]: 'EAFNOSUPPORT',
  [ENETDOWN]: 'ENETDOWN',
  [ENOBUFS]: 'ENOBUFS',
}

/** A system call that failed while something was being set up. Never thrown on the packet path. */
export class SystemError extends Error {
  readonly call: string
  readonly errno: number
  readonly code: string

  constructor(call: string, errno: number) {
    const code = NAMES[errno] ?? `errno ${errno}`
    super(`${call}: ${code}`)
    this.name = 'SystemError'
    this.call = call
    this.errno = errno
    this.code = code
  }
}
