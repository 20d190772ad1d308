/**
 * Reads numbers and addresses out of a payload, octet by octet and never behind its end. Whoever
 * sent it may be hostile; a field that is not what it should be makes the whole reading fail.
 */
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const COLON = 0x3a
const DOT = 0x2e
const GROUPS = 8

export class TextReader {
  #bytes: Uint8Array = new Uint8Array(0)
  #end = 0
  /** The next octet to read. */
  at = 0
  /** What `address` read, signed words. */
  readonly words = new Int32Array(4)
  readonly #groups = new Uint16Array(GROUPS)

  /** Reads [at, end) from now on. */
  open(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes
    this.at = at
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end
  }

  /** The next octet, -1 at the end; does not move on. */
  peek(): number {
    return this.at < this.#end ? this.#bytes[this.at]! : -1
  }

  /** The next octet, -1 at the end. */
  next(): number {
    return this.at < this.#end ? this.#bytes[this.at++]! : -1
  }

  /** Moves behind the octet if it is that one. */
  skip(octet: number): boolean {
    if (this.peek() !== octet) return false
    this.at++
    return true
  }

  /** Moves behind `word`, which is in capitals, however the text spells it. */
  skipWord(word: string): boolean {
    if (!this.isWord(word)) return false
    this.at += word.length
    return true
  }

  /** Whether `word` comes next. */
  isWord(word: string): boolean {
    if (this.#end - this.at < word.length) return false
    for (let i = 0; i < word.length; i++) {
      if (upper(this.#bytes[this.at + i]!) !== word.charCodeAt(i)) return false
    }
    return true
  }

  get isAtDigit(): boolean {
    return isDigit(this.peek())
  }

  /** A decimal number of at most `most`; -1 when there is none. */
  number(most: number): number {
    if (!this.isAtDigit) return -1
    let value = 0
    while (this.isAtDigit) {
      value = value * 10 + this.next() - DIGIT_0
      if (value > most) return -1
    }
    return value
  }

  /** An address of that family into `words`; stops behind it. */
  address(family: number): boolean {
    this.words.fill(0)
    return family === 4 ? this.#ipv4() : this.#ipv6()
  }

  #ipv4(): boolean {
    let word = 0
    for (let i = 0; i < 4; i++) {
      if (i > 0 && !this.skip(DOT)) return false
      const octet = this.number(255)
      if (octet < 0) return false
      word = (word << 8) | octet
    }
    this.words[0] = word
    return true
  }

  /** RFC 4291 section 2.2: eight groups, one run of which may be `::`, the last two as IPv4. */
  #ipv6(): boolean {
    const groups = this.#groups.fill(0)
    let count = 0
    let gap = -1
    if (this.skip(COLON)) {
      if (!this.skip(COLON)) return false
      gap = 0
    }
    while (count < GROUPS) {
      const start = this.at
      const group = this.#group()
      if (group < 0) {
        // Only behind `::` may there be nothing.
        if (gap !== count) return false
        break
      }
      if (this.peek() === DOT) {
        this.at = start
        if (count > GROUPS - 2 || !this.#ipv4()) return false
        groups[count++] = this.words[0]! >>> 16
        groups[count++] = this.words[0]! & 0xffff
        break
      }
      groups[count++] = group
      if (!this.skip(COLON)) break
      if (count === GROUPS) return false
      if (this.skip(COLON)) {
        if (gap >= 0) return false
        gap = count
      }
    }
    if (gap < 0 ? count !== GROUPS : count === GROUPS) return false
    if (gap >= 0) {
      const moved = GROUPS - count
      groups.copyWithin(gap + moved, gap, count)
      groups.fill(0, gap, gap + moved)
    }
    for (let i = 0; i < 4; i++) this.words[i] = (groups[2 * i]! << 16) | groups[2 * i + 1]!
    return true
  }

  /** One to four hexadecimal digits, -1 when there are none or more. */
  #group(): number {
    let value = 0
    let digits = 0
    for (let digit = hexDigit(this.peek()); digit >= 0; digit = hexDigit(this.peek())) {
      if (++digits > 4) return -1
      value = value * 16 + digit
      this.at++
    }
    return digits === 0 ? -1 : value
  }
}

export const isDigit = (octet: number): boolean => octet >= DIGIT_0 && octet <= DIGIT_9

const upper = (octet: number): number => (octet >= 0x61 && octet <= 0x7a ? octet - 32 : octet)

function hexDigit(octet: number): number {
  if (isDigit(octet)) return octet - DIGIT_0
  const letter = upper(octet) - 0x41
  return letter >= 0 && letter < 6 ? letter + 10 : -1
}
