import { closeSync, openSync, readSync } from 'node:fs'
import { CaptureError } from './capture.js'

const CHUNK_OCTETS = 1 << 18
const STDIN = 0
const PAUSE_MS = 5
const PAUSE = new Int32Array(new SharedArrayBuffer(4))

/** A file, or standard input for `-`, read from front to back; knows where it is. */
export class OctetSource {
  readonly #fd: number
  #chunk: Uint8Array = new Uint8Array(0)
  #at = 0
  #position = 0
  #ended = false

  constructor(path: string) {
    try {
      this.#fd = path === '-' ? STDIN : openSync(path, 'r')
    } catch (error) {
      throw new CaptureError(reasonOf(error), null, { cause: error })
    }
  }

  /** Octets taken so far. */
  get position(): number {
    return this.#position
  }

  /** The next octets, fewer only where the file ends. They stay valid. */
  take(octets: number): Uint8Array {
    while (this.#chunk.length - this.#at < octets && !this.#ended) this.#fill(octets)
    const taken = this.#chunk.subarray(this.#at, this.#at + octets)
    this.#at += taken.length
    this.#position += taken.length
    return taken
  }

  close(): void {
    if (this.#fd !== STDIN) closeSync(this.#fd)
  }

  /** Chunks are never written to again, so what was taken from them may be kept. */
  #fill(wanted: number): void {
    const left = this.#chunk.subarray(this.#at)
    const next = new Uint8Array(Math.max(CHUNK_OCTETS, wanted))
    next.set(left)
    const read = this.#read(next, left.length)
    this.#ended = read === 0
    this.#chunk = next.subarray(0, left.length + read)
    this.#at = 0
  }

  #read(to: Uint8Array, at: number): number {
    for (;;) {
      try {
        return readSync(this.#fd, to, at, to.length - at, null)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code !== 'EAGAIN')
          throw new CaptureError(reasonOf(error), this.#position, { cause: error })
        // A pipe that somebody set to non-blocking: its writer will come to it.
        Atomics.wait(PAUSE, 0, 0, PAUSE_MS)
      }
    }
  }
}

export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return 'there is no such file'
    case 'EACCES':
      return 'permission denied'
    case 'EISDIR':
      return 'it is a folder'
    default:
      return message
  }
}
