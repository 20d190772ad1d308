/** Takes a capture's packets one by one, gives them to the engine, and tells what became of them. */
import type { Packet } from '../../dataplane/packet.js'
import { formatFrame, formatIp } from '../../dataplane/format.js'
import * as address from '../../dataplane/wire/address.js'
import * as ethernet from '../../dataplane/wire/ethernet.js'
import * as mac from '../../dataplane/wire/mac.js'
import { CaptureError, type CapturedPacket } from '../pcap/capture.js'
import { viewOf } from '../pcap/classic.js'
import { readLinkLayer, type LinkFrame } from '../pcap/link-layer.js'
import type { ReplayConfiguration } from './configuration.js'
import type { Decision, PacketEvent, SentPacket } from './decision.js'
import { Directory } from './directory.js'
import { ReplayNetwork } from './network.js'
import { Observer } from './observer.js'
import type { Report } from './report.js'
import { GAP_MAX_MS, Stage } from './stage.js'
import { Tally } from './summary.js'

const NS_PER_MS = 1_000_000

export interface ReplayerOptions {
  configuration: ReplayConfiguration
  report: Report
  /** Gets every frame sent by a port. */
  write: (timeNs: bigint, frame: Uint8Array) => void
}

export class Replayer {
  readonly #report: Report
  readonly #write: ReplayerOptions['write']
  readonly #network: ReplayNetwork
  readonly #stage: Stage
  readonly #observer: Observer
  readonly #directory: Directory
  readonly #tally = new Tally()
  #firstNs: bigint | null = null
  #lastNs = 0n
  /** Time of the capture that the clock was not moved by. */
  #skippedMs = 0
  #sent: SentPacket[] = []
  #gapsCut = 0
  #late = 0

  constructor({ configuration, report, write }: ReplayerOptions) {
    const network = new ReplayNetwork(configuration.network, configuration.services)
    this.#report = report
    this.#write = write
    this.#network = network
    const stage = new Stage({
      ...{ configuration, network },
      sink: { frame: (port, frame) => this.#frame(port, frame), host: ip => this.#host(ip) },
      watch: { before: pkt => this.#before(pkt), after: () => this.#observer.after() },
      onFault: error => report.warning(`fault: ${String(error)}`),
    })
    this.#stage = stage
    this.#directory = new Directory(configuration.services, stage.rows)
    this.#observer = new Observer(stage, this.#directory)
  }

  packet(captured: CapturedPacket): void {
    const link = readLinkLayer(captured)
    if (typeof link === 'string') throw new CaptureError(link, captured.position)
    this.#moveClock(captured)
    const skipped = this.#skipReason(captured, link)
    const port = link?.ip ? this.#portOf(captured, link) : 0
    const decision = skipped === null ? this.#inject(link!, port) : null
    const event: PacketEvent = {
      number: captured.number,
      position: captured.position,
      timeNs: this.#lastNs,
      seconds: Number(this.#lastNs - this.#firstNs!) / 1e9,
      interfaceName: this.#network.ports[port]!.name,
      text: textOf(captured, link),
      ...{ skipped, decision, sent: this.#sent },
    }
    this.#sent = []
    this.#tally.packet(event)
    this.#report.packet(event)
  }

  /** After the last packet, whether the file was read to its end or not. */
  finish(): void {
    if (this.#gapsCut > 0)
      this.#report.warning(`${this.#gapsCut} gaps of more than 32 days were cut to 32 days`)
    if (this.#late > 0)
      this.#report.warning(`${this.#late} packets were older than one before; taken as they stand`)
    const { memory, connCount } = this.#stage
    this.#report.summary(this.#tally.summary(this.#directory, memory, connCount))
    this.#stage.close()
  }

  /** Runs the timers that are due before this packet. */
  #moveClock({ timeNs }: CapturedPacket): void {
    this.#firstNs ??= timeNs ?? 0n
    const at = timeNs ?? this.#lastNs
    if (at < this.#lastNs) this.#late++
    else {
      const stage = this.#stage
      const wantedMs = Number(at - this.#firstNs) / NS_PER_MS - this.#skippedMs
      const excessMs = wantedMs - stage.nowMs - GAP_MAX_MS
      if (excessMs > 0) {
        this.#skippedMs += excessMs
        this.#gapsCut++
      }
      let before = stage.connCount
      stage.advanceTo(wantedMs - Math.max(0, excessMs), () => {
        const expired = before - stage.connCount
        before = stage.connCount
        this.#tellTimers(expired)
      })
    }
    this.#lastNs = at
  }

  #tellTimers(expired: number): void {
    if (expired === 0 && this.#sent.length === 0) return
    const timeNs = this.#now()
    const seconds = Number(timeNs - this.#firstNs!) / 1e9
    this.#tally.sent(this.#sent)
    this.#report.timers({ timeNs, seconds, expired, sent: this.#sent })
    this.#sent = []
  }

  #skipReason(captured: CapturedPacket, link: LinkFrame | null): PacketEvent['skipped'] {
    const { bytes, wireOctets, position } = captured
    if (bytes.length < wireOctets) {
      const detail = `cut by the capture: ${bytes.length} of ${wireOctets} octets (record at octet ${position})`
      return { reason: 'cut', detail }
    }
    if (link === null) return { reason: 'short', detail: 'too short for its link layer' }
    if (link.ip === null) return { reason: 'notIp', detail: 'not IP' }
    const own = link.srcMac !== null && this.#network.isOwnMac(link.srcMac)
    if (link.delivery !== 'outgoing' && !own) return null
    return { reason: 'outgoing', detail: 'sent by this host, as its source says' }
  }

  #portOf({ interfaceName }: CapturedPacket, link: LinkFrame): number {
    return this.#network.portOf(interfaceName, link.dstMac, endsOf(link.ip!)?.source ?? null)
  }

  #inject(link: LinkFrame, port: number): Decision {
    const network = this.#network
    const ip = link.ip!
    const ends = endsOf(ip)
    const toHost = this.#isToHost(link, ends?.destination ?? null)
    // A packet through which somebody else was addressed tells nothing about who is behind us.
    if (ends !== null && toHost && !network.isLocal(ends.source)) {
      network.learn(ends.source, link.srcMac)
    }
    const { macHigh, macLow } = network.ports[port]!
    const to = link.dstMac ?? { high: macHigh, low: macLow }
    const from = link.srcMac ?? { high: 0, low: 0 }
    const frame = new Uint8Array(ethernet.MIN_LENGTH + ip.length)
    const view = viewOf(frame)
    ethernet.write(view, 0, to.high, to.low, from.high, from.low, link.etherType)
    frame.set(ip, ethernet.MIN_LENGTH)
    this.#observer.begin()
    this.#stage.inject({ port, frame, toHost, tagged: link.vlan !== 0 })
    if (this.#observer.wasFragment) this.#stage.expectFragments()
    return this.#observer.end()
  }

  #isToHost({ delivery, dstMac }: LinkFrame, destination: address.Address | null): boolean {
    const network = this.#network
    if (delivery !== null) return delivery === 'host'
    if (dstMac === null) return true
    if (network.strictMacs) return network.isOwnMac(dstMac)
    // Where packets for a VIP go is this host. The loopback device has zeros on both ends.
    const local = destination !== null && network.isLocal(destination)
    if (local && (dstMac.high | dstMac.low) !== 0) network.learnOwn(dstMac)
    return true
  }

  #before(pkt: Packet): void {
    this.#observer.before(pkt)
  }

  #frame(port: number, frame: Uint8Array): void {
    const v = viewOf(frame)
    this.#write(this.#now(), frame)
    this.#sent.push({
      interfaceName: this.#network.ports[port]!.name,
      srcMac: mac.format(ethernet.srcHigh(v, 0), ethernet.srcLow(v, 0)),
      dstMac: mac.format(ethernet.dstHigh(v, 0), ethernet.dstLow(v, 0)),
      text: formatIp(v, ethernet.MIN_LENGTH, frame.length),
      octets: frame.length - ethernet.MIN_LENGTH,
    })
  }

  /** The kernel delivers it to this host, or routes it and finds the neighbour itself. */
  #host(ip: Uint8Array): void {
    const destination = endsOf(ip)?.destination
    const out = destination === undefined ? null : this.#network.frameFor(ip, destination)
    if (out !== null) return this.#frame(out.port, out.frame)
    const text = formatIp(viewOf(ip), 0, ip.length)
    this.#sent.push({ interfaceName: null, srcMac: null, dstMac: null, text, octets: ip.length })
  }

  /** The clock, in the capture's time. */
  #now(): bigint {
    const ms = this.#stage.nowMs + this.#skippedMs
    return this.#firstNs! + BigInt(Math.round(ms * NS_PER_MS))
  }
}

interface Ends {
  source: address.Address
  destination: address.Address
}

/** Null when there is not as much as a header. */
function endsOf(ip: Uint8Array): Ends | null {
  const v = viewOf(ip)
  const version = ip.length === 0 ? 0 : ip[0]! >>> 4
  if (version === 4 && ip.length >= 20) {
    const at = (offset: number) => ({ family: 4, w0: v.getInt32(offset), w1: 0, w2: 0, w3: 0 })
    return { source: at(12), destination: at(16) }
  }
  if (version !== 6 || ip.length < 40) return null
  const at = (offset: number) => ({
    ...{ family: 6, w0: v.getInt32(offset), w1: v.getInt32(offset + 4) },
    ...{ w2: v.getInt32(offset + 8), w3: v.getInt32(offset + 12) },
  })
  return { source: at(8), destination: at(24) }
}

function textOf({ bytes }: CapturedPacket, link: LinkFrame | null): string {
  if (link === null) return `[${bytes.length} octets]`
  if (link.ip === null) return formatFrame(viewOf(bytes), 0, bytes.length)
  const tag = link.vlan === 0 ? '' : `vlan ${link.vlan} `
  return tag + formatIp(viewOf(link.ip), 0, link.ip.length)
}
