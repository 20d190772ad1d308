/**
 * FTP's helper (ip_vs_ftp.c): reads the control connection, expects the data connections that it
 * announces, and puts the virtual address in place of the real server's. One command or reply of
 * a segment is looked at, and only while the control connection is ESTABLISHED.
 *
 * Unlike Linux, unless told otherwise, it
 *  - expects nothing at an address that is not the client's own (PORT, EPRT) or the connection's
 *    own real server's (227, 229): such text passes as it is, and is counted;
 *  - takes a server that announces the virtual address itself to mean its own;
 *  - rewrites a reply again when it is sent again, so that a lost segment costs nothing. The
 *    kernel lets the second copy pass with the server's private address and another length.
 */
import { Counter } from '../../counters.js'
import { IPV4, type Packet } from '../../packet.js'
import type { Take } from '../../piece.js'
import * as appRecord from '../../shared/app-record.js'
import * as tcp from '../../wire/tcp.js'
import * as seq from '../../wire/seq.js'
import { TCP_STATES } from '../../shared/conn-states.js'
import type { Connections } from '../conn.js'
import { Direction } from '../proto/protocol.js'
import type { Settings } from '../settings.js'
import type { Application } from './application.js'
import type { Expectations } from './expectations.js'
import { FtpText, Mode, Reading } from './ftp-text.js'
import { payloadOf, replace } from './payload.js'
import type { SequenceAdjust } from './sequence-adjust.js'

const ESTABLISHED = TCP_STATES.indexOf('ESTABLISHED')

export interface FtpOptions {
  conns: Connections
  rows: Int32Array
  expectations: Expectations
  sequence: SequenceAdjust
  settings: Settings
  counters: Float64Array
  take: Take
}

export class Ftp implements Application {
  readonly name = 'ftp'
  readonly #o: FtpOptions
  readonly #rows: Int32Array
  readonly #text = new FtpText()

  constructor(options: FtpOptions) {
    this.#o = options
    this.#rows = options.rows
  }

  /** Client to server: PASV and EPSV say how to read the reply, PORT and EPRT where to expect. */
  in(pkt: Packet, c: number): Packet | null {
    const { records } = this.#o.conns
    const at = payloadOf(pkt)
    if (at === pkt.end || records.state(c) !== ESTABLISHED) return pkt
    const { bytes, end } = pkt
    const { family } = pkt.flow
    const text = this.#text
    const mode = text.findPassive(bytes, at, end, family)
    if (mode !== Mode.active) {
      this.#rows[c * appRecord.WORDS + appRecord.MODE] = mode
      return pkt
    }
    const reading = text.readCommand(bytes, at, end, family)
    if (reading === Reading.read) {
      if (!this.#o.settings.ftpForeignPort && !this.#isClient(c)) return this.#refused(pkt)
      this.#rows[c * appRecord.WORDS + appRecord.MODE] = Mode.active
      return this.#o.expectations.active(c, text.words, text.port) === 0 ? null : pkt
    }
    if (reading === Reading.malformed) this.#count(Counter.helperMalformed)
    return pkt
  }

  /** Server to client: the reply that the client waits for. */
  out(pkt: Packet, c: number): Packet | null {
    const rows = this.#rows
    const row = c * appRecord.WORDS
    const at = payloadOf(pkt)
    if (at === pkt.end || this.#o.conns.records.state(c) !== ESTABLISHED) return pkt
    const mode = rows[row + appRecord.MODE] as Mode
    if (mode === Mode.active) return this.#again(pkt, c, at)
    const { family } = pkt.flow
    const reading = this.#text.readReply(mode, pkt.bytes, at, pkt.end, family)
    if (reading === Reading.other) return this.#again(pkt, c, at)
    if (reading === Reading.malformed) {
      this.#count(Counter.helperMalformed)
      return pkt
    }
    if (!this.#ownServer(c)) return this.#refused(pkt)
    const data = this.#o.expectations.passive(c, this.#text.words, this.#text.port)
    if (data === 0) return null
    const vport = this.#o.conns.records.vport(data)
    const sequence = tcp.seq(pkt.view, pkt.l4)
    const { from, to } = this.#text
    this.#text.write(mode, this.#o.conns.records.vaddr(c, 0), vport)
    const change = this.#text.octets - (to - from)
    const whole = this.#replace(pkt, from, to)
    if (whole === null) return null
    this.#o.sequence.note(c, Direction.output, sequence, change)
    rows[row + appRecord.REPLY_AT] = sequence
    rows[row + appRecord.REPLY_CHANGE] = change
    rows[row + appRecord.REPLY_MODE] = mode
    rows[row + appRecord.MODE] = Mode.active
    return whole
  }

  /** A segment that holds the last reply once more; what is in front of it was sent before it. */
  #again(pkt: Packet, c: number, payload: number): Packet | null {
    const rows = this.#rows
    const row = c * appRecord.WORDS
    const mode = rows[row + appRecord.REPLY_MODE] as Mode
    if (mode === Mode.active || !this.#o.settings.ftpRewriteRetransmissions) return pkt
    const ahead = seq.distance(tcp.seq(pkt.view, pkt.l4), rows[row + appRecord.REPLY_AT]!)
    if (ahead < 0 || ahead >= pkt.end - payload) return pkt
    const text = this.#text
    const at = payload + ahead
    const { family } = pkt.flow
    if (text.readReply(mode, pkt.bytes, at, pkt.end, family) !== Reading.read) return pkt
    if (!this.#ownServer(c)) return pkt
    const { from, to } = text
    text.write(mode, this.#o.conns.records.vaddr(c, 0), text.port)
    // Both ends count on the shift of the first time.
    if (text.octets - (to - from) !== rows[row + appRecord.REPLY_CHANGE]) return pkt
    return this.#replace(pkt, from, to)
  }

  #replace(pkt: Packet, from: number, to: number): Packet | null {
    const { written, octets } = this.#text
    return replace(pkt, from, to, written, octets, this.#o.take, this.#o.counters)
  }

  /** Makes `text.words` the address that the data connection goes to; false when it is refused. */
  #ownServer(c: number): boolean {
    const { words, hasAddress } = this.#text
    const { records } = this.#o.conns
    if (hasAddress) {
      if (this.#o.settings.ftpForeignServer) return true
      let own = true
      let virtual = true
      for (let i = 0; i < width(records.family(c)); i++) {
        own &&= words[i] === records.daddr(c, i)
        virtual &&= words[i] === records.vaddr(c, i)
      }
      if (!own && !virtual) return false
    }
    for (let i = 0; i < 4; i++) words[i] = records.daddr(c, i)
    return true
  }

  #isClient(c: number): boolean {
    const { words } = this.#text
    const { records } = this.#o.conns
    for (let i = 0; i < width(records.family(c)); i++) {
      if (words[i] !== records.caddr(c, i)) return false
    }
    return true
  }

  #refused(pkt: Packet): Packet {
    this.#count(Counter.helperRefused)
    return pkt
  }

  #count(counter: number): void {
    this.#o.counters[counter]!++
  }
}

/** Words of an address. */
const width = (family: number): number => (family === IPV4 ? 1 : 4)
