/**
 * Text as octets, one after another. Strings are written as UTF-8; what is written ten thousand
 * times in a row goes by hand, four octets at a time, because each call into Node's own code costs
 * more than a hundred octets copied here, and a number turned into a string more than its digits.
 */

/** UTF-8, ready to be written many times; up to three octets of padding behind it. */
export interface Text {
  readonly view: DataView
  readonly length: number
}

export function textOf(text: string): Text {
  const octets = new TextEncoder().encode(text)
  const padded = new Uint8Array((octets.length + 3) & ~3)
  padded.set(octets)
  return { view: new DataView(padded.buffer), length: octets.length }
}

const SIZE_MIN_OCTETS = 1 << 16
const LINE_FEED = 0x0a
const ZERO = 0x30
const MINUS = 0x2d
/** Digits are written in halves that a 32-bit division can do. */
const HALF = 1e9

export class OctetWriter {
  #octets: Buffer
  #view: DataView
  #at = 0

  /** `size` in octets is a guess; it grows. */
  constructor(size = SIZE_MIN_OCTETS) {
    this.#octets = Buffer.allocUnsafeSlow(Math.max(size, SIZE_MIN_OCTETS))
    this.#view = viewOf(this.#octets)
  }

  text(text: string): void {
    // No UTF-16 unit becomes more than three octets.
    this.#reserve(text.length * 3)
    this.#at += this.#octets.write(text, this.#at)
  }

  /** Two pieces, a number and a line feed. */
  line(first: Text, second: Text, value: number): void {
    this.#reserve(first.length + second.length + 32)
    const octets = this.#octets
    const view = this.#view
    copy(first, view, this.#at)
    let at = this.#at + first.length
    copy(second, view, at)
    at += second.length
    if (Number.isSafeInteger(value)) at = writeInteger(octets, at, value)
    else at += octets.write(String(value), at, 'latin1')
    octets[at] = LINE_FEED
    this.#at = at + 1
  }

  /** All that was written. */
  octets(): Buffer {
    return this.#octets.subarray(0, this.#at)
  }

  #reserve(count: number): void {
    const needed = this.#at + count
    if (needed <= this.#octets.length) return
    const more = Buffer.allocUnsafeSlow(Math.max(needed, this.#octets.length * 2))
    more.set(this.octets())
    this.#octets = more
    this.#view = viewOf(more)
  }
}

const viewOf = ({ buffer, byteOffset, byteLength }: Buffer): DataView =>
  new DataView(buffer, byteOffset, byteLength)

/** Padding is copied, too; what comes next is written over it. */
function copy({ view: from, length }: Text, to: DataView, at: number): void {
  for (let i = 0; i < length; i += 4) to.setInt32(at + i, from.getInt32(i))
}

/** Returns where the digits end. Exact up to 2^53. */
function writeInteger(octets: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  if (rest < 0) {
    octets[at++] = MINUS
    rest = -rest
  }
  if (rest < HALF) return writeDigits(octets, at, rest | 0, digitsOf(rest | 0))
  const high = Math.floor(rest / HALF)
  at = writeDigits(octets, at, high, digitsOf(high))
  return writeDigits(octets, at, (rest - high * HALF) | 0, 9)
}

function writeDigits(octets: Buffer, at: number, value: number, count: number): number {
  let rest = value
  for (let i = at + count - 1; i >= at; i--) {
    const next = (rest / 10) | 0
    octets[i] = ZERO + rest - next * 10
    rest = next
  }
  return at + count
}

function digitsOf(value: number): number {
  let count = 1
  for (let bound = 10; value >= bound && count < 9; bound *= 10) count++
  return count
}
