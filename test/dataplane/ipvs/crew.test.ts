import t from 'tap'
import { Crew, Stage } from '../../../dataplane/ipvs/crew.js'
import { Guarded, Role } from '../../../dataplane/ipvs/guarded.js'
import { Service } from '../../../dataplane/ipvs/service.js'
import { defaultSettings } from '../../../dataplane/ipvs/settings.js'
import { Packet } from '../../../dataplane/packet.js'
import { addressKey, shardOf } from '../../../dataplane/shared/shard.js'
import * as address from '../../../dataplane/wire/address.js'
import { UDP } from '../../../dataplane/wire/ip-protocol.js'
import { Random } from '../../fixtures/seed.js'
import { World } from './world.js'

const WORKERS = 4
const VIP = '198.51.100.1'
const SERVER = '10.0.0.1'
const parse = (text: string) => address.parse(text)!

/** Four workers whose packets go from hand to hand; `made` says where a journey ended. */
function crew() {
  const settings = defaultSettings()
  const guarded = new Guarded()
  guarded.hold(Role.vip, parse(VIP), UDP, 53)
  guarded.hold(Role.real, parse(SERVER), UDP, 53)
  const given: { to: number; stage: number }[] = []
  const handover = {
    give: (_: Packet, to: number, stage: number) => void given.push({ to, stage }),
  }
  const workers = Array.from(
    { length: WORKERS },
    (_, index) => new Crew({ index, count: WORKERS, handover }, guarded, settings),
  )
  const journey = (start: number, step: (at: Crew, stage: number) => boolean): number[] => {
    const way = [start]
    for (let stage: number = Stage.received; step(workers[way.at(-1)!]!, stage);) {
      const next = given.pop()!
      stage = next.stage
      way.push(next.to)
      if (way.length > 5) throw new Error(`in circles: ${way.join(' ')}`)
    }
    return way
  }
  return { workers, journey }
}

function packet(src: string, dst: string, stage: number): Packet {
  const pkt = new Packet(new Uint8Array(64))
  const [from, to] = [parse(src), parse(dst)]
  const ports = { srcPort: 53, dstPort: 53 }
  const ends = { src0: from.w0, dst0: to.w0 }
  Object.assign(pkt.flow, { family: 4, protocol: UDP, ...ends, ...ports })
  pkt.stage = stage
  return pkt
}

function service(netmask: number): Service {
  const made = new Service(1, { ...parse(VIP), protocol: UDP, port: 53, fwmark: 0 })
  Object.assign(made, { flags: netmask === 0 ? 0 : 1, netmask, schedulerName: 'rr' })
  made.dests.push({ ...parse(SERVER), port: 53 } as unknown as Service['dests'][number])
  return made
}

const owner = (text: string) => shardOf(addressKey(4, parse(text).w0, 0, 0, 0), WORKERS)

t.test('wherever a packet comes in, one worker decides: its client’s, or the first', async t => {
  const random = Random.of(t)
  for (const pinned of [false, true]) {
    const { workers, journey } = crew()
    const one = service(pinned ? 0xffffff00 | 0 : 0)
    for (const worker of workers) worker.note(one)
    for (let run = 0; run < 200; run++) {
      const client = `192.0.2.${random.integer(1, 254)}`
      const start = random.integer(0, WORKERS - 1)
      const end = pinned ? 0 : owner(client)
      const into = journey(start, (at, stage) => {
        const pkt = packet(client, VIP, stage)
        return at.passIn(pkt, pkt.flow, false) || at.reroutes(pkt, pkt.flow, false, one)
      })
      if (into.at(-1) !== end) t.fail(`in: ${into.join(' ')}, not ${end}`)
      const out = journey(start, (at, stage) => {
        const pkt = packet(SERVER, client, stage)
        return at.passOut(pkt, pkt.flow, false)
      })
      if (out.at(-1) !== end) t.fail(`out: ${out.join(' ')}, not ${end}`)
    }
  }
  t.pass('800 journeys')
})

t.test(
  'a service that is pinned no more: looked for in both places, made by the client’s',
  async t => {
    const { workers, journey } = crew()
    const one = service(0xffffff00 | 0)
    for (const worker of workers) worker.note(one)
    one.netmask = -1
    for (let host = 1; host < 100; host++) {
      const client = `192.0.2.${host}`
      const way = journey(owner(client), (at, stage) => {
        const pkt = packet(client, VIP, stage)
        return at.passIn(pkt, pkt.flow, false) || at.reroutes(pkt, pkt.flow, false, one)
      })
      const wanted = owner(client) === 0 ? [0] : [owner(client), 0, owner(client)]
      t.strictSame(way, wanted, client)
    }
  },
)

t.test('what no guarded server sent is the host’s', async t => {
  const [first] = crew().workers
  for (let host = 1; host < 20; host++) {
    const pkt = packet('10.9.9.9', `192.0.2.${host}`, Stage.received)
    t.notOk(first!.passOut(pkt, pkt.flow, false))
  }
})

t.test('what must be in one place', async t => {
  const { workers } = crew()
  const [first] = workers
  t.notOk(first!.isPinned(service(0)))
  t.notOk(first!.isPinned(service(-1)), 'persistence of single addresses')
  t.ok(first!.isPinned(service(0xfffffffe | 0)), 'persistence by network')
  for (const schedulerName of ['lblc', 'lblcr'])
    t.ok(first!.isPinned(Object.assign(service(0), { schedulerName })), schedulerName)
  t.ok(first!.isPinned(Object.assign(service(0), { persistenceEngine: 'sip' })), 'SIP')
})

t.test(
  'a worker that comes up anew knows what was pinned by the connections that are left',
  async t => {
    const world = new World()
    const dest = world.addDest(SERVER, 53)
    const client = Array.from({ length: 99 }, (_, i) => `192.0.2.${i + 1}`).find(
      each => owner(each) === 2,
    )!
    const { workers, journey } = crew()
    const toFirst = () =>
      journey(2, (at, stage) => {
        const pkt = packet(client, VIP, stage)
        return at.passIn(pkt, pkt.flow, false)
      })
    const open = (from: string) => {
      const ends = { family: 4, protocol: UDP, c0: parse(from).w0, v0: parse(VIP).w0 }
      Object.assign(world.conns.params, { ...ends, cport: 4000, vport: 53, dport: 53 })
      world.conns.create(world.conns.params, dest, 0, 0)
    }
    const ownClient = Array.from({ length: 99 }, (_, i) => `192.0.2.${i + 1}`).find(
      each => owner(each) === 0,
    )!
    const memory = { conns: world.memory, control: world.control }
    open(ownClient)
    for (const worker of workers) worker.recall(memory)
    t.strictSame(toFirst(), [2], 'its own clients say nothing')
    open(client)
    for (const worker of workers) worker.recall(memory)
    t.strictSame(toFirst(), [2, 0], 'another worker’s client does')
    const reply = journey(2, (at, stage) => {
      const pkt = packet(SERVER, client, stage)
      return at.passOut(pkt, pkt.flow, false)
    })
    t.strictSame(reply, [2, 0], 'nor are the replies lost')
  },
)
