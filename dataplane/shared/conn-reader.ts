/**
 * Lists connections straight from the slab, in another thread than the one that changes it. No
 * lock: a record that is freed or taken for another connection while it is read shows another
 * serial number, or none in use, and is passed over.
 */
import * as address from '../wire/address.js'
import * as ipProtocol from '../wire/ip-protocol.js'
import * as record from './conn-record.js'
import { AUXILIARY, WORDS } from './conn-record.js'
import { isOver, stateName } from './conn-states.js'
import { CONNS_HIGH, TICK } from './memory.js'
import { readEngineData, type EngineData } from './pe-record.js'

/** Most records looked at in one call: a few milliseconds, whatever the filter lets through. */
export const RECORDS_PER_SCAN = 1 << 15
const TICKS_PER_SECOND = 100

export interface Endpoint {
  address: string
  port: number
}

export interface ConnRecord {
  protocol: string
  family: 'ipv4' | 'ipv6'
  client: Endpoint
  virtual: Endpoint
  realServer: Endpoint
  state: string
  expiresInSeconds: number
  /** Row of the real server's statistics, 0 = none. */
  destRow: number
  forwarding: string
  flags: number
  /** A persistence template: its client address is masked, its client port 0. */
  template: boolean
  /** Mark of the service that made it, 0 = none. */
  fwmark: number
  inPkts: number
  /** Of a template that a persistence engine made: what it is known by. */
  engine?: EngineData
}

export interface ConnFilter {
  protocol?: string
  /** An address or a prefix. */
  client?: { address: string; port?: number }
  realServer?: { address: string; port?: number }
  virtual?: { address: string; port?: number }
  destRow?: number
  state?: string
  fwmark?: number
  template?: boolean
}

export interface ConnPage {
  items: ConnRecord[]
  /** Where to go on; null at the end. */
  nextCursor: number | null
}

/** By number; fwmark templates have protocol 0, which ipvsadm calls IP. */
const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: 'ip',
  [ipProtocol.TCP]: 'tcp',
  [ipProtocol.UDP]: 'udp',
  [ipProtocol.SCTP]: 'sctp',
}
const FORWARDING = ['masq', 'local', 'tunnel', 'dr', 'bypass']

export class ConnReader {
  readonly #words: Int32Array
  readonly #control: Int32Array
  readonly #engineData: Int32Array

  /** `engineData`: without it, templates do not tell what they are known by. */
  constructor(
    slab: SharedArrayBuffer,
    control: SharedArrayBuffer,
    engineData: SharedArrayBuffer = new SharedArrayBuffer(0),
  ) {
    this.#words = record.wordsOf(slab)
    this.#engineData = new Int32Array(engineData)
    this.#control = new Int32Array(control)
  }

  /** One connection, or null when the record is free or just changing hands. */
  read(c: number): ConnRecord | null {
    const words = this.#words
    const at = c * WORDS
    const info = Atomics.load(words, at + record.INFO)
    const serial = Atomics.load(words, at + record.SERIAL)
    if (info >= 0) return null
    const conn = this.#decode(at, info)
    const isSame =
      Atomics.load(words, at + record.INFO) < 0 &&
      Atomics.load(words, at + record.SERIAL) === serial
    return isSame ? conn : null
  }

  /**
   * Up to `limit` connections that pass the filter, from record `cursor` on. One call looks at a
   * bounded number of records, so a page may be short, even empty, and still have a next one.
   */
  scan(cursor: number, limit: number, filter: ConnFilter = {}): ConnPage {
    const test = new Test(this.#words, filter)
    const end = this.#end()
    const items: ConnRecord[] = []
    let c = Math.max(AUXILIARY, cursor)
    const stop = Math.min(end, c + RECORDS_PER_SCAN)
    for (; c < stop && items.length < limit; c++) {
      if (!test.passes(c * WORDS)) continue
      const conn = this.read(c)
      if (conn !== null) items.push(conn)
    }
    return { items, nextCursor: c >= end ? null : c }
  }

  /** How many connections of real servers are over and only wait to be forgotten; added to `counts`. */
  countOver(counts: Map<number, number>): void {
    const words = this.#words
    const end = this.#end()
    for (let c = AUXILIARY; c < end; c++) {
      const at = c * WORDS
      const info = words[at + record.INFO]!
      if (info >= 0) continue
      const destRow = words[at + record.DEST]!
      const count = counts.get(destRow)
      if (count === undefined || (words[at + record.FLAGS]! & record.TEMPLATE) !== 0) continue
      if (isOver(record.protocolOf(info), record.stateOf(info))) counts.set(destRow, count + 1)
    }
  }

  /** Behind the last record that was ever used. */
  #end(): number {
    const used = Atomics.load(this.#control, CONNS_HIGH) + 1
    return Math.min(used, Math.floor(this.#words.length / WORDS))
  }

  #decode(at: number, info: number): ConnRecord {
    const words = this.#words
    const family = record.familyOf(info)
    const protocol = record.protocolOf(info)
    const ports = words[at + record.PORTS]!
    const flags = words[at + record.FLAGS]!
    const template = (flags & record.TEMPLATE) !== 0
    const left = (words[at + record.EXPIRES]! - this.#control[TICK]!) | 0
    const engine =
      this.#engineData.length === 0
        ? null
        : readEngineData(this.#engineData, words[at + record.PE]!)
    // A fwmark template has the mark for an address, in the first word of both families.
    const virtualFamily = protocol === 0 ? 4 : family
    return {
      protocol: PROTOCOL_NAMES[protocol] ?? String(protocol),
      family: family === 6 ? 'ipv6' : 'ipv4',
      client: {
        address: this.#address(family, at + record.C0, at + record.C1),
        port: ports >>> 16,
      },
      virtual: {
        address: this.#address(virtualFamily, at + record.V0, at + record.V1),
        port: ports & 0xffff,
      },
      realServer: {
        address: this.#address(record.destFamilyOf(info), at + record.D0, at + record.D1),
        port: words[at + record.DPORT]!,
      },
      state: stateName(protocol, record.stateOf(info), template),
      expiresInSeconds: Math.floor(Math.max(0, left) / TICKS_PER_SECOND),
      destRow: words[at + record.DEST]!,
      forwarding: FORWARDING[flags & record.FWD_MASK] ?? 'unknown',
      flags,
      template,
      fwmark: words[at + record.FWMARK]! >>> 0,
      inPkts: words[at + record.IN_PKTS]!,
      ...(engine === null ? {} : { engine }),
    }
  }

  #address(family: number, at: number, rest: number): string {
    const words = this.#words
    return address.format(family, words[at]!, words[rest]!, words[rest + 1]!, words[rest + 2]!)
  }
}

/** The part of a filter that can be decided on bare words, before anything becomes text. */
class Test {
  readonly #words: Int32Array
  readonly #protocol: number
  readonly #destRow: number
  readonly #fwmark: number | undefined
  readonly #template: boolean | undefined
  readonly #client: address.Prefix | null
  readonly #clientPort: number
  readonly #virtual: address.Prefix | null
  readonly #virtualPort: number
  readonly #real: address.Prefix | null
  readonly #realPort: number
  readonly #state: string | undefined
  /** The filter names something that cannot exist. */
  readonly #isImpossible: boolean

  constructor(words: Int32Array, filter: ConnFilter) {
    const { protocol, client, virtual, realServer, destRow, state, fwmark, template } = filter
    this.#words = words
    const number = Object.keys(PROTOCOL_NAMES).find(key => PROTOCOL_NAMES[+key] === protocol)
    this.#protocol = number === undefined ? -1 : +number
    this.#destRow = destRow ?? -1
    this.#fwmark = fwmark
    this.#template = template
    this.#client = client === undefined ? null : address.parsePrefix(client.address)
    this.#clientPort = client?.port ?? -1
    this.#virtual = virtual === undefined ? null : address.parsePrefix(virtual.address)
    this.#virtualPort = virtual?.port ?? -1
    this.#real = realServer === undefined ? null : address.parsePrefix(realServer.address)
    this.#realPort = realServer?.port ?? -1
    this.#state = state
    this.#isImpossible =
      (protocol !== undefined && number === undefined) ||
      (client !== undefined && this.#client === null) ||
      (virtual !== undefined && this.#virtual === null) ||
      (realServer !== undefined && this.#real === null)
  }

  passes(at: number): boolean {
    const words = this.#words
    const info = words[at + record.INFO]!
    if (info >= 0 || this.#isImpossible) return false
    if (this.#protocol >= 0 && record.protocolOf(info) !== this.#protocol) return false
    if (this.#destRow >= 0 && words[at + record.DEST] !== this.#destRow) return false
    if (this.#fwmark !== undefined && words[at + record.FWMARK]! >>> 0 !== this.#fwmark)
      return false
    const isTemplate = (words[at + record.FLAGS]! & record.TEMPLATE) !== 0
    if (this.#template !== undefined && isTemplate !== this.#template) return false
    const ports = words[at + record.PORTS]!
    if (this.#clientPort >= 0 && ports >>> 16 !== this.#clientPort) return false
    if (this.#virtualPort >= 0 && (ports & 0xffff) !== this.#virtualPort) return false
    if (this.#realPort >= 0 && words[at + record.DPORT] !== this.#realPort) return false
    if (this.#state !== undefined) {
      const name = stateName(record.protocolOf(info), record.stateOf(info), isTemplate)
      if (name !== this.#state) return false
    }
    const family = record.familyOf(info)
    return (
      this.#isAt(this.#client, family, at + record.C0, at + record.C1) &&
      this.#isAt(this.#virtual, family, at + record.V0, at + record.V1) &&
      this.#isAt(this.#real, record.destFamilyOf(info), at + record.D0, at + record.D1)
    )
  }

  #isAt(wanted: address.Prefix | null, family: number, at: number, rest: number): boolean {
    if (wanted === null) return true
    const words = this.#words
    return address.inPrefix(
      wanted,
      family,
      words[at]!,
      words[rest]!,
      words[rest + 1]!,
      words[rest + 2]!,
    )
  }
}
