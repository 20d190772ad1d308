/** Moves the calling thread into a network namespace: what it opens from then on is in there. */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const CLONE_NEWNET = 0x40000000

/** setns(2) is of one thread, so nothing but this worker moves. Throws in words for people. */
export function enterNetwork(path: string): void {
  const setns = koffi.load('libc.so.6').func('int setns(int, int)') as (
    descriptor: number,
    type: number,
  ) => number
  const descriptor = openSync(path, 'r')
  try {
    if (setns(descriptor, CLONE_NEWNET) < 0)
      throw new Error(`the network namespace ${path} cannot be entered (errno ${koffi.errno()})`)
  } finally {
    closeSync(descriptor)
  }
}
