/**
 * What the helper reads in an FTP control connection, and how it writes it again.
 *
 *     client   PASV                       (RFC 959)     server   227 ... (h1,h2,h3,h4,p1,p2)
 *              EPSV [1|2]                 (RFC 2428)             229 ... (|||port|)
 *              PORT h1,h2,h3,h4,p1,p2
 *              EPRT |family|address|port|
 *
 * Follows ip_vs_ftp.c in what it recognises, and is stricter in what it believes: a number too
 * large for its place, or missing, and port 0 make the text unreadable instead of another address.
 */
import { IPV4 } from '../../packet.js'
import { TextReader } from './text-reader.js'

/** What the client asked for: how the server's next reply is to be read. */
export const Mode = { active: 0, pasv: 1, epsv: 2 } as const
export type Mode = (typeof Mode)[keyof typeof Mode]

/** What came of reading an endpoint. */
export const Reading = {
  /** The text is about something else. */
  other: 0,
  read: 1,
  /** It starts as it should, and goes on otherwise, or ends too early. */
  malformed: 2,
} as const
export type Reading = (typeof Reading)[keyof typeof Reading]

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const COMMA = 0x2c
const BAR = 0x7c
const PARENTHESIS = 0x28
const DIGIT_0 = 0x30
/** Octets of the longest `255,255,255,255,255,255`. */
const TEXT_MAX = 23

export class FtpText {
  readonly #reader = new TextReader()
  /** What was read: the address, or nothing when `hasAddress` is false, and the port. */
  readonly words = new Int32Array(4)
  hasAddress = false
  port = 0
  /** Where the text stands that names the endpoint. */
  from = 0
  to = 0
  /** What `write` wrote, and how many octets of it. */
  readonly written = new Uint8Array(TEXT_MAX)
  octets = 0

  /** The first PASV or EPSV anywhere in [at, end); `active` when there is none. */
  findPassive(bytes: Uint8Array, at: number, end: number, family: number): Mode {
    const r = this.#reader
    for (; end - at >= 6; at++) {
      // Most octets are neither: no need to ask further.
      if ((bytes[at]! & 0xdf) !== 0x50 && (bytes[at]! & 0xdf) !== 0x45) continue
      r.open(bytes, at, end)
      if (family === IPV4 && r.skipWord('PASV') && r.skip(CR) && r.skip(LF)) return Mode.pasv
      r.at = at
      if (!r.skipWord('EPSV')) continue
      if (r.skip(CR)) return Mode.epsv
      if (!r.skip(SPACE)) continue
      // Of another family, or `EPSV ALL`: the connection is none that we could help.
      const own = r.skip(DIGIT_0 + (family === IPV4 ? 1 : 2)) && r.skip(CR)
      return own ? Mode.epsv : Mode.active
    }
    return Mode.active
  }

  /** PORT or EPRT at the start of [at, end). */
  readCommand(bytes: Uint8Array, at: number, end: number, family: number): Reading {
    const r = this.#reader
    r.open(bytes, at, end)
    if (family === IPV4 && r.skipWord('PORT '))
      return this.#read(this.#skipTo(SPACE) && this.#six())
    if (!r.skipWord('EPRT ')) return Reading.other
    return this.#read(this.#skipTo(SPACE) && this.#extended(family) && this.hasAddress)
  }

  /** The reply to what the client asked for, at the start of [at, end). */
  readReply(mode: Mode, bytes: Uint8Array, at: number, end: number, family: number): Reading {
    const r = this.#reader
    r.open(bytes, at, end)
    if (mode === Mode.pasv) {
      if (!r.skipWord('227 ')) return Reading.other
      return this.#read(this.#skipToNumbers() && this.#six())
    }
    if (mode !== Mode.epsv || !r.skipWord('229 ')) return Reading.other
    return this.#read(this.#skipPast(PARENTHESIS) && this.#extended(family))
  }

  /** Composes the reply's endpoint: an IPv4 address with its port for 227, the port for 229. */
  write(mode: Mode, address: number, port: number): void {
    this.octets = 0
    if (mode === Mode.epsv) {
      for (let i = 0; i < 3; i++) this.#put(BAR)
      this.#putNumber(port)
      this.#put(BAR)
      return
    }
    for (let shift = 24; shift >= 0; shift -= 8) {
      this.#putNumber((address >>> shift) & 0xff)
      this.#put(COMMA)
    }
    this.#putNumber(port >>> 8)
    this.#put(COMMA)
    this.#putNumber(port & 0xff)
  }

  #read(done: boolean): Reading {
    return done && this.port !== 0 ? Reading.read : Reading.malformed
  }

  /** Skips any number of that octet; false when the text ends there. */
  #skipTo(octet: number): boolean {
    while (this.#reader.skip(octet));
    return !this.#reader.isAtEnd
  }

  /** Skips to behind the first run of that octet. */
  #skipPast(octet: number): boolean {
    const r = this.#reader
    while (!r.isAtEnd && r.peek() !== octet) r.at++
    return this.#skipTo(octet)
  }

  /** To the first digit or behind the first parenthesis, which RFC 959 does not ask for. */
  #skipToNumbers(): boolean {
    const r = this.#reader
    while (!r.isAtEnd && !r.isAtDigit && r.peek() !== PARENTHESIS) r.at++
    return this.#skipTo(PARENTHESIS)
  }

  /** h1,h2,h3,h4,p1,p2: the octets of an address and of a port; something has to follow. */
  #six(): boolean {
    const r = this.#reader
    this.from = r.at
    let address = 0
    let port = 0
    for (let i = 0; i < 6; i++) {
      if (i > 0 && !r.skip(COMMA)) return false
      const octet = r.number(255)
      if (octet < 0) return false
      if (i < 4) address = (address << 8) | octet
      else port = (port << 8) | octet
    }
    // The last digits may be in the next segment.
    if (r.isAtEnd) return false
    this.to = r.at
    this.port = port
    this.words.fill(0)
    this.words[0] = address
    this.hasAddress = true
    return true
  }

  /** |family|address|port|, any printable delimiter; family and address may be left out together. */
  #extended(family: number): boolean {
    const r = this.#reader
    this.from = r.at
    const delimiter = r.next()
    if (delimiter < 33 || delimiter > 126) return false
    this.hasAddress = !r.skip(delimiter)
    if (this.hasAddress) {
      if (!r.skip(DIGIT_0 + (family === IPV4 ? 1 : 2)) || !r.skip(delimiter)) return false
      if (!r.address(family)) return false
      this.words.set(r.words)
    }
    if (!r.skip(delimiter)) return false
    this.port = r.number(65535)
    if (this.port <= 0 || !r.skip(delimiter)) return false
    this.to = r.at
    return true
  }

  #put(octet: number): void {
    this.written[this.octets++] = octet
  }

  #putNumber(value: number): void {
    if (value >= 10) this.#putNumber(Math.floor(value / 10))
    this.#put(DIGIT_0 + (value % 10))
  }
}
