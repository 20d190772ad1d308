/**
 * Replays recordings of a kernel's IPVS (test/fixtures/ipvs) over scheduler, connections and
 * protocol states: who got each connection, and what ipvsadm showed in between. It plays the part
 * of the packet path for them, without rewriting anything.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { Packet } from '../../../../dataplane/packet.js'
import { stateName } from '../../../../dataplane/shared/conn-states.js'
import { AUXILIARY } from '../../../../dataplane/shared/conn-record.js'
import type { Dest } from '../../../../dataplane/ipvs/dest.js'
import { Protocols } from '../../../../dataplane/ipvs/proto/index.js'
import { Direction, Gate } from '../../../../dataplane/ipvs/proto/protocol.js'
import { schedulers, type SchedulerName } from '../../../../dataplane/ipvs/sched/index.js'
import type { Scheduler } from '../../../../dataplane/ipvs/sched/scheduler.js'
import * as address from '../../../../dataplane/wire/address.js'
import { World } from '../world.js'

const FOLDER = new URL('../../../fixtures/ipvs/sched/', import.meta.url)
/** Tick numbers at the start of a recording. */
const PHASE = -4

interface Step {
  cmd?: string
  out?: string
  at_ms?: number
  advance_s?: number
  rs?: number | null
  frames?: [wire: 'client' | 'server', hex: string][]
  then_wait_s?: number
}

/** The recordings of one scheduler. */
export const recordings = (name: SchedulerName): string[] =>
  readdirSync(FOLDER).filter(file => file.startsWith(`${name}_`))

export function replay(t: Test, file: string): void {
  const text = readFileSync(new URL(file, FOLDER), 'utf8')
  const { setup, steps } = JSON.parse(text) as { setup: Step[]; steps: Step[] }
  const director = new Director()
  for (const { cmd } of setup) if (cmd !== undefined) director.command(cmd)
  const served: (number | null)[] = []
  const wanted: (number | null)[] = []
  for (const step of steps) {
    if (step.at_ms !== undefined) director.moveTo(step.at_ms)
    if (step.advance_s !== undefined) director.moveTo(director.nowMs + step.advance_s * 1000)
    if (step.cmd !== undefined) {
      const shown = director.command(step.cmd)
      if (shown !== null) t.strictSame(shown, listing(step.cmd, step.out!), step.cmd)
    }
    if (step.frames === undefined) continue
    const [first] = step.frames.map(([wire, hex]) => director.inject(wire, hex))
    served.push(first ?? null)
    wanted.push(step.rs ?? null)
    director.moveTo(director.nowMs + step.then_wait_s! * 1000)
  }
  t.ok(wanted.length > 30)
  t.strictSame(served, wanted, 'who got each connection')
}

class Director {
  readonly #world = new World({ startTick: PHASE })
  readonly #protocols = new Protocols(this.#world.conns)
  readonly #dests: Dest[] = []
  readonly #trash: Dest[] = []
  #scheduler!: Scheduler
  #fwmark = 0
  nowMs = 0

  moveTo(ms: number): void {
    this.nowMs = ms
    this.#world.conns.advance(Math.floor(ms / 10) + PHASE, 1e9)
  }

  /** Null, or what it shows. */
  command(line: string): unknown {
    const words = line.split(' ')
    const option = (name: string) => words[words.indexOf(name) + 1]!
    if (words[1] === '-A') this.#addService(option('-s'), words.includes('-b') ? option('-b') : '')
    if (words[1] === '-A' && words.includes('-f')) this.#fwmark = Number(option('-f'))
    if (words[1] === '-a') this.#addDest(words, option)
    if (words[1] === '-e') this.#editDest(option('-r'), Number(option('-w')))
    if (words[1] === '-d') this.#delDest(option('-r'))
    if (line === 'ipvsadm -Ln') return this.#listDests()
    return line === 'ipvsadm -Lnc' ? this.#listConns() : null
  }

  /** Number of the real server that the packet reaches, or null. */
  inject(wire: 'client' | 'server', hex: string): number | null {
    const pkt = parse(hex)
    const c = wire === 'client' ? this.#input(pkt) : this.#output(pkt)
    this.moveTo(this.nowMs + 0.5)
    return c === 0 ? null : (this.#world.conns.records.daddr(c, 0) & 0xff) - 10
  }

  #input(pkt: Packet): number {
    const { conns } = this.#world
    const protocol = this.#protocols.get(pkt.flow.protocol)!
    let c = conns.table.inGet(pkt.flow)
    if (c !== 0 && protocol.isNewConnection(pkt) && protocol.isReuseExpected(c, 1)) {
      conns.expireNow(c)
      c = 0
    }
    if (c !== 0 && conns.destOf(c)?.available === false) return 0
    if (c === 0) {
      if (protocol.gate(pkt) !== Gate.schedule) return 0
      const dest = this.#scheduler.schedule(pkt.flow, false)
      if (dest === null) return 0
      c = this.#create(pkt, dest)
    }
    protocol.setState(c, Direction.input, pkt)
    conns.release(c)
    return c
  }

  #create({ flow }: Packet, dest: Dest): number {
    const { params } = this.#world.conns
    Object.assign(params, { family: 4, protocol: flow.protocol, c0: flow.src0, v0: flow.dst0 })
    Object.assign(params, { cport: flow.srcPort, vport: flow.dstPort })
    params.dport = dest.port || flow.dstPort
    return this.#world.conns.create(params, dest, 0, this.#fwmark)
  }

  #output(pkt: Packet): number {
    const { conns } = this.#world
    const c = conns.table.outGet(pkt.flow)
    if (c === 0) return 0
    this.#protocols.get(pkt.flow.protocol)!.setState(c, Direction.output, pkt)
    conns.release(c)
    return c
  }

  #addService(name: string, flags: string): void {
    this.#scheduler = schedulers[name as SchedulerName]({
      family: 4,
      dests: this.#dests,
      fallback: flags.includes('fallback'),
      usePort: flags.includes('port'),
      random: () => 0,
      nowMs: () => this.nowMs,
      lblcExpirationMs: () => 86_400_000,
      lblcrExpirationMs: () => 86_400_000,
    })
  }

  #addDest(words: string[], option: (name: string) => string): void {
    const [text, port = '0'] = option('-r').split(':')
    const weight = Number(option('-w'))
    const w0 = address.parse4(text!)
    let dest = this.#trash.find(dest => dest.w0 === w0)
    if (dest === undefined) {
      dest = this.#world.addDest(text!, Number(port), {
        weight,
        method: words.includes('-g') ? 3 : 0,
        upperThreshold: words.includes('-x') ? Number(option('-x')) : 0,
        lowerThreshold: words.includes('-y') ? Number(option('-y')) : 0,
      })
    }
    dest.weight = weight
    dest.lastWeight = weight
    dest.available = true
    this.#dests.unshift(dest)
    this.#scheduler.add(dest)
  }

  #editDest(text: string, weight: number): void {
    const dest = this.#find(text)
    dest.weight = weight
    if (weight !== 0) dest.lastWeight = weight
    this.#scheduler.edit(dest)
  }

  #delDest(text: string): void {
    const dest = this.#find(text)
    const index = this.#dests.indexOf(dest)
    this.#dests.splice(index, 1)
    dest.available = false
    this.#trash.push(dest)
    this.#scheduler.del(dest, index)
  }

  #find(text: string): Dest {
    const w0 = address.parse4(text.split(':')[0]!)
    return this.#dests.find(dest => dest.w0 === w0)!
  }

  #listDests(): unknown {
    return this.#dests
      .map(dest => {
        const { w0, port, weight, activeConns, inactConns } = dest
        return `${address.format4(w0)}:${port} ${weight} ${activeConns} ${inactConns}`
      })
      .sort()
  }

  #listConns(): unknown {
    const { records } = this.#world.conns
    const lines: string[] = []
    for (let c = AUXILIARY; c < records.high; c++) {
      if (!records.isInUse(c)) continue
      const state = stateName(records.protocol(c), records.state(c), false)
      const end = (word: number, port: number) => `${address.format4(word)}:${port}`
      const from = end(records.caddr(c, 0), records.cport(c))
      const to = end(records.daddr(c, 0), records.dport(c))
      lines.push(`${state} ${from} ${end(records.vaddr(c, 0), records.vport(c))} ${to}`)
    }
    return lines.sort()
  }
}

/** The same from what ipvsadm printed. */
function listing(cmd: string, out: string): string[] {
  const words = out
    .trimEnd()
    .split('\n')
    .map(line => line.trim().split(/\s+/))
  // State, source, virtual, destination; an expired entry may or may not be gone already.
  if (cmd === 'ipvsadm -Lnc')
    return words
      .slice(2)
      .map(line => line.slice(2).join(' '))
      .sort()
  const dests = words.filter(line => line[0] === '->' && line[1] !== 'RemoteAddress:Port')
  return dests
    .map(([, end, , weight, active, inact]) => `${end} ${weight} ${active} ${inact}`)
    .sort()
}

function parse(hex: string): Packet {
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))
  const pkt = new Packet(bytes)
  const { view, flow } = pkt
  pkt.l4 = (view.getUint8(0) & 15) * 4
  pkt.end = view.getUint16(2)
  flow.family = 4
  flow.protocol = view.getUint8(9)
  flow.src0 = view.getInt32(12)
  flow.dst0 = view.getInt32(16)
  flow.srcPort = view.getUint16(pkt.l4)
  flow.dstPort = view.getUint16(pkt.l4 + 2)
  return pkt
}
