import { readFileSync } from 'node:fs'

const PAGE = 4096
const EVERY_MS = 50

/** Octets of memory that a process has resident. */
export function residentOctets(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE
}

/** Looks at a process's memory every 50 ms until it is stopped. */
export class MemoryWatch {
  readonly first: number
  #highest: number
  readonly #timer: NodeJS.Timeout
  readonly #pid: number

  constructor(pid: number) {
    this.#pid = pid
    this.first = this.#highest = residentOctets(pid)
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
  }

  /** By how much it grew at most since the watch began. */
  stop(): number {
    clearInterval(this.#timer)
    this.#look()
    return this.#highest - this.first
  }

  #look(): void {
    this.#highest = Math.max(this.#highest, residentOctets(this.#pid))
  }
}
