/**
 * Random walks over services, real servers, packets and waits: whatever happens, the counters are
 * what the connection table says, listings can be read, and in the end nothing is left.
 */
import t, { type Test } from 'tap'
import { schedulers } from '../../../dataplane/ipvs/sched/index.js'
import { AUXILIARY, INACTIVE, TEMPLATE } from '../../../dataplane/shared/conn-record.js'
import { buildBytes, type PacketRecord } from '../../fixtures/packets.js'
import { seeded } from '../../fixtures/random.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const LAB = {
  ...{ vips: ['10.0.0.100'], vips6: ['2001:db8::100'] },
  ...{ mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}
const WALKS = 3
const STEPS = 400
const WAITS_MS = [10, 10, 500, 500, 3000, 3000, 15_000, 15_000, 70_000, 200_000, 1_000_000]
const SCHEDULERS = Object.keys(schedulers)
const FLAGS: Record<string, string> = { sh: '-b sh-fallback,sh-port', mh: '-b mh-fallback' }
const SETTINGS = [
  ['expire_nodest_conn', 2],
  ['expire_quiescent_template', 2],
  ['conn_reuse_mode', 4],
  ['sloppy_tcp', 2],
  ['sloppy_sctp', 2],
  ['secure_tcp', 4],
  ['drop_entry', 4],
  ['drop_packet', 4],
] as const
const SEGMENTS = ['S', 'S', 'S', 'A', 'SA', 'A', 'FA', 'R', 'F', 'PA', '']
const CHUNKS = [1, 1, 1, 0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 14]

class Walk {
  readonly director = new Director(LAB, makeDriver)
  readonly #random: (bound: number) => number

  constructor(random: (bound: number) => number) {
    this.#random = random
  }

  /** So that there is something to walk on. */
  async begin(): Promise<void> {
    for (let i = 0; i < 30; i++) await this.director.command(`ipvsadm ${this.#service()}`)
    for (let i = 0; i < 60; i++) await this.director.command(`ipvsadm ${this.#server()}`)
  }

  async step(): Promise<void> {
    const kind = this.#random(20)
    if (kind < 10) return this.#packet()
    if (kind < 12) return this.#wait()
    if (kind === 13) {
      const [name, values] = this.#one(SETTINGS)
      return this.director.sysctl(name, String(this.#random(values)))
    }
    await this.director.command(`ipvsadm ${kind < 18 ? this.#server() : this.#service()}`)
  }

  #one<T>(items: readonly T[]): T {
    return items[this.#random(items.length)]!
  }

  #wait(): void {
    this.director.advanceTo(this.director.nowMs + this.#one(WAITS_MS))
  }

  #key(): string {
    const host = this.#one(['10.0.0.100', '[2001:db8::100]'])
    return this.#one(['-t', '-u', '--sctp-service']) + ` ${host}:${this.#one([80, 80, 21, 0])}`
  }

  #service(): string {
    const what = this.#random(30)
    if (what === 0) return this.#one(['-C', '-Z', '--set 10 5 7', '--set 900 120 300'])
    if (what < 3) return `-D ${this.#key()}`
    const scheduler = this.#one(SCHEDULERS)
    const persistent = this.#one(['', `-p ${this.#one([3, 60, 700])}`])
    const more = this.#one(['', '', '-o', persistent === '' ? '' : '--pe sip'])
    const flags = this.#one(['', FLAGS[scheduler] ?? ''])
    return `${this.#one(['-A', '-A', '-E'])} ${this.#key()} -s ${scheduler} ${persistent} ${flags} ${more}`
  }

  #server(): string {
    const key = this.#key()
    const k = 1 + this.#random(4)
    const host = key.includes('[') ? `[2001:db8:10::${10 + k}]` : `192.168.10.${10 + k}`
    const port = this.#one(['', ':8080', ':0'])
    const what = this.#random(6)
    if (what === 0) return `-d ${key} -r ${host}${port}`
    const limits = this.#one(['', '', '-x 2', '-x 4 -y 2'])
    const weight = `-w ${this.#random(4)}`
    return `${what < 4 ? '-a' : '-e'} ${key} -r ${host}${port} ${this.#one(['-m', '-g', '-i'])} ${weight} ${limits}`
  }

  #packet(): void {
    const ipv6 = this.#random(3) === 0
    const client = `${ipv6 ? '2001:db8:1::' : '10.1.0.'}${1 + this.#random(3)}`
    const vip = ipv6 ? '2001:db8::100' : '10.0.0.100'
    const rs = `${ipv6 ? '2001:db8:10::' : '192.168.10.'}${11 + this.#random(4)}`
    const out = this.#random(3) === 0
    const cport = 4000 + this.#random(20)
    const vport = this.#one([80, 80, 21, 99])
    const addresses = out ? { src: rs, dst: client } : { src: client, dst: vip }
    const ports = out
      ? { srcPort: this.#one([vport, 8080]), dstPort: cport }
      : { srcPort: cport, dstPort: vport }
    const packet = { ...addresses, ...this.#transport(ports) }
    this.director.inject(out ? 'server' : 'client', buildBytes(packet))
    this.director.take()
  }

  #transport(ports: { srcPort: number; dstPort: number }): Partial<PacketRecord> {
    const kind = this.#random(4)
    if (kind === 0) return { udp: ports }
    if (kind === 1) return { sctp: { ...ports, chunks: [{ type: this.#one(CHUNKS) }] } }
    return { tcp: { ...ports, flags: this.#one(SEGMENTS) } }
  }
}

/** What each real server's row should say, by the table. */
function tally(director: Director): Map<number, [number, number, number]> {
  const { records } = director.ipvs.conns
  const tallies = new Map<number, [number, number, number]>()
  for (let c = AUXILIARY; c < records.high; c++) {
    if (!records.isInUse(c) || records.destRow(c) === 0) continue
    const counts = tallies.get(records.destRow(c)) ?? [0, 0, 0]
    const flags = records.flags(c)
    counts[(flags & TEMPLATE) !== 0 ? 2 : (flags & INACTIVE) !== 0 ? 1 : 0]++
    tallies.set(records.destRow(c), counts)
  }
  return tallies
}

/** What is wrong now, null for nothing. */
function fault(director: Director): string | null {
  const { ipvs } = director
  const { records } = ipvs.conns
  const tallies = tally(director)
  for (const service of ipvs.services) {
    for (const dest of service.dests) {
      const wanted = tallies.get(dest.row) ?? [0, 0, 0]
      const seen = [dest.activeConns, dest.inactConns, dest.persistConns]
      if (String(seen) !== String(wanted))
        return `counts ${String(seen)} instead of ${String(wanted)}`
      const total = seen[0]! + seen[1]!
      // Set by the first that reaches the limit, cleared when the last that holds it has gone.
      if (dest.overloaded && total === 0) return 'overloaded with nothing'
      if (dest.remembered < 0 || dest.references !== total + seen[2]!) return 'references'
    }
  }
  const controlled = new Map<number, number>()
  for (let c = AUXILIARY; c < records.high; c++) {
    const control = records.isInUse(c) ? records.control(c) : 0
    if (control === 0) continue
    if (!records.isInUse(control)) return `${c} is controlled by nobody`
    controlled.set(control, (controlled.get(control) ?? 0) + 1)
  }
  for (let c = AUXILIARY; c < records.high; c++) {
    if (!records.isInUse(c)) continue
    if (records.nControl(c) !== (controlled.get(c) ?? 0)) return `n_control of ${c}`
    if (!ipvs.conns.wheel.isArmed(c)) return `${c} has no timer`
    if (records.destRow(c) !== 0 && ipvs.destAt(records.destRow(c)) === undefined)
      return `${c} refers to a real server that was freed`
  }
  return null
}

const LINE =
  /^(?:(?:TCP |UDP |SCTP) \S+ [a-z]+(?: \(\S+\))?(?: persistent \d+)?(?: pe sip)?(?: ops)?|  -> \S+ +(?:Masq|Route|Tunnel) +\d+ +\d+ +\d+ +)$/
const CONN = /^(?:TCP|UDP|SCTP) +\d+:\d\d  [A-Z][A-Z0-9_-]* +\S+:\d+ +\S+:\d+ +\S+:\d+$/

/** Returns how many lines there were. */
async function readListings(t: Test, { director }: Walk): Promise<number> {
  const listing = await director.command('ipvsadm -Ln')
  const lines = listing.stdout.split('\n').slice(3, -1)
  for (const line of lines) if (!LINE.test(line)) t.fail(line)
  const conns = (await director.command('ipvsadm -Lnc')).stdout.split('\n').slice(2, -1)
  for (const line of conns) if (!CONN.test(line)) t.fail(line)
  return lines.length + conns.length
}

t.test('walks', async t => {
  const random = seeded(t)
  let most = 0
  let lines = 0
  for (let i = 0; i < WALKS; i++) {
    const walk = new Walk(random)
    const { director } = walk
    await walk.begin()
    for (let step = 0; step < STEPS; step++) {
      await walk.step()
      most = Math.max(most, director.ipvs.conns.records.size)
      const wrong = fault(director)
      if (wrong !== null) t.fail(`walk ${i}, step ${step}: ${wrong}`)
      if (wrong !== null) return
    }
    lines += await readListings(t, walk)
    await director.command('ipvsadm -C')
    director.advanceTo(director.nowMs + 4_000_000)
    t.equal(director.ipvs.conns.records.size, 0, 'no connection is left')
    t.equal(director.ipvs.admin.trash.size, 0, 'the trash is empty')
  }
  t.ok(most > 4 && lines > 4, `up to ${most} connections, ${lines} lines listed`)
})
