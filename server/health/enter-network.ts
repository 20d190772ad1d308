/** Moves the calling thread into a network namespace: what it opens from then on is in there. */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const CLONE_NEWNET = 0x40000000
const HERE = '/proc/thread-self/ns/net'

/** setns(2) is of one thread, so nothing but this one moves. Throws in words for people. */
export function enterNetwork(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    enter(descriptor, path)
  } finally {
    closeSync(descriptor)
  }
}

/** What `body` opens is in that network, and stays there; the thread comes back. */
export function withinNetwork<T>(path: string, body: () => T): T {
  const here = openSync(HERE, 'r')
  try {
    enterNetwork(path)
    try {
      return body()
    } finally {
      enter(here, HERE)
    }
  } finally {
    closeSync(here)
  }
}

function enter(descriptor: number, path: string): void {
  const setns = koffi.load('libc.so.6').func('int setns(int, int)') as (
    descriptor: number,
    type: number,
  ) => number
  if (setns(descriptor, CLONE_NEWNET) < 0)
    throw new Error(`the network namespace ${path} cannot be entered (errno ${koffi.errno()})`)
}
