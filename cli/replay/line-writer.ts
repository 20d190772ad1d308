import { writeSync } from 'node:fs'

const FLUSH_OCTETS = 1 << 16

/** Writes lines to a descriptor without the event loop, in large pieces. */
export class LineWriter {
  readonly #fd: number
  #text = ''
  /** The reader went away (`| head`): nobody wants the rest. */
  #closed = false

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    this.#text += `${line}\n`
    if (this.#text.length >= FLUSH_OCTETS) this.flush()
  }

  flush(): void {
    const octets = Buffer.from(this.#text)
    this.#text = ''
    for (let at = 0; at < octets.length && !this.#closed;) at += this.#put(octets, at)
  }

  #put(octets: Uint8Array, at: number): number {
    try {
      return writeSync(this.#fd, octets, at)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // A pipe whose reader is slow: it will take more in a moment.
      if (code === 'EAGAIN') {
        Atomics.wait(PAUSE, 0, 0, 1)
        return 0
      }
      if (code !== 'EPIPE') throw error
      this.#closed = true
      return 0
    }
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4))
