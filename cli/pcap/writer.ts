import { closeSync, openSync, writeSync } from 'node:fs'
import { LinkType } from './capture.js'
import { HEADER_OCTETS, NANOSECOND_MAGIC, RECORD_OCTETS, viewOf } from './classic.js'

const FLUSH_OCTETS = 1 << 18
const BILLION = 1_000_000_000n
/** Frames of what offload had merged are larger than any link's. */
const SNAP_OCTETS = 262144

/** Writes Ethernet frames to a classic capture with nanoseconds, little-endian. */
export class CaptureWriter {
  readonly #fd: number
  #waiting: Uint8Array[] = []
  #octets = 0

  /** Throws what open(2) and write(2) say. */
  constructor(path: string) {
    this.#fd = openSync(path, 'w')
    const header = new Uint8Array(HEADER_OCTETS)
    const view = viewOf(header)
    view.setUint32(0, NANOSECOND_MAGIC, true)
    view.setUint16(4, 2, true)
    view.setUint16(6, 4, true)
    view.setUint32(16, SNAP_OCTETS, true)
    view.setUint32(20, LinkType.ethernet, true)
    this.#put(header)
  }

  write(timeNs: bigint, frame: Uint8Array): void {
    const header = new Uint8Array(RECORD_OCTETS)
    const view = viewOf(header)
    view.setUint32(0, Number(timeNs / BILLION), true)
    view.setUint32(4, Number(timeNs % BILLION), true)
    view.setUint32(8, frame.length, true)
    view.setUint32(12, frame.length, true)
    this.#put(header)
    this.#put(frame)
  }

  close(): void {
    try {
      this.#flush()
    } finally {
      closeSync(this.#fd)
    }
  }

  #put(bytes: Uint8Array): void {
    this.#waiting.push(bytes)
    this.#octets += bytes.length
    if (this.#octets >= FLUSH_OCTETS) this.#flush()
  }

  #flush(): void {
    const all = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#octets = 0
    for (let at = 0; at < all.length;) at += writeSync(this.#fd, all, at)
  }
}
