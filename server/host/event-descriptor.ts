/**
 * An eventfd that the main thread owns and the dataplane worker sleeps on: it stays the same while
 * workers come and go, so that nobody writes to a descriptor that has become something else.
 */
import { closeSync, writeSync } from 'node:fs'
import koffi from 'koffi'

const EFD_NONBLOCK = 0o4000
const EFD_CLOEXEC = 0o2000000
/** A 64-bit 1 in the machine's own byte order. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer)

export class EventDescriptor {
  readonly descriptor: number

  constructor() {
    const eventfd = koffi.load('libc.so.6').func('int eventfd(unsigned int, int)') as (
      initial: number,
      flags: number,
    ) => number
    this.descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    if (this.descriptor < 0) throw new Error(`eventfd: errno ${koffi.errno()}`)
  }

  signal(): void {
    writeSync(this.descriptor, ONE)
  }

  close(): void {
    closeSync(this.descriptor)
  }
}
