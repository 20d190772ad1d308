/**
 * A batch that is carried out in slices: what stands between two of them is the whole of before or
 * the whole of after, and what comes of it is what comes of its operations one by one.
 */
import t from 'tap'
import { ManualClock } from '../../dataplane/clock.js'
import { Control } from '../../dataplane/control.js'
import { LoopbackDriver } from '../../dataplane/driver/loopback.js'
import { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import { NetworkTable } from '../../dataplane/net/network-table.js'
import type { DestConfig, Op, Reply, ServiceConfig } from '../../dataplane/protocol.js'
import { allocate } from '../../dataplane/shared/memory.js'
import { Random } from '../fixtures/seed.js'

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)

function setup() {
  const driver = new LoopbackDriver([{ name: 'eth0', ifIndex: 2, mac: MAC, mtuOctets: 1500 }])
  const clock = new ManualClock()
  const network = new NetworkTable(driver)
  const ipvs = new Ipvs({ driver, network, clock, memory: allocate(64), seeds: [1, 2, 3] })
  const control = new Control({ ipvs, driver, nowMs: () => 0, onStop: () => {} })
  let id = 0
  const run = (op: Op) => control.answer({ id: ++id, ...op })
  /** In messages of `part` operations and slices of the least length; looks in between. */
  const sliced = (ops: readonly Op[], part: number, look: () => void): Reply => {
    const first = ops.slice(0, -part)
    for (let at = 0; at < first.length; at += part)
      t.equal(control.begin({ id, op: 'stage', ops: first.slice(at, at + part) }), null)
    t.equal(control.begin({ id: ++id, op: 'batch', ops: ops.slice(first.length) }), null)
    for (;;) {
      t.ok(control.busy)
      const reply = control.step(() => false)
      if (reply !== null) return reply
      look()
    }
  }
  return { ipvs, run, sliced }
}

const service = (port: number, scheduler: ServiceConfig['scheduler'] = 'rr'): ServiceConfig => ({
  ...{ key: { family: 'ipv4', protocol: 'tcp', address: '198.51.100.1', port }, scheduler },
  ...{ schedulerFlags: [], persistence: null, onePacket: false },
})
const dest = (host: number, weight = 1): DestConfig => ({
  ...{ address: `10.0.0.${host}`, port: 8080, weight, forwarding: 'masq', tunnel: null },
  ...{ upperThreshold: 0, lowerThreshold: 0 },
})

/** What packets find: services with those of their real servers that may be used. */
const picture = ({ ipvs }: ReturnType<typeof setup>) =>
  [...ipvs.services]
    .map(each => {
      const usable = each.dests.filter(({ available }) => available)
      const servers = usable.map(d => `${d.w0 & 255}:${d.weight}`).join(' ')
      return `${each.port} ${each.schedulerName} [${servers}]`
    })
    .sort()

const add = (port: number, hosts: readonly number[]): Op[] => [
  { op: 'addService', service: service(port) },
  ...hosts.map((host): Op => ({ op: 'addDest', key: service(port).key, dest: dest(host) })),
]
const HOSTS = [1, 2, 3, 4, 5, 6, 7, 8, 9]

t.test('between two slices there is all of before or all of after', async t => {
  const s = setup()
  s.run({ op: 'batch', ops: [80, 81, 82].flatMap(port => add(port, HOSTS)) })
  const before = picture(s)
  const old = [80, 81].map(port => s.ipvs.admin.service(service(port).key).dests)
  const ops: Op[] = [
    { op: 'delService', key: service(80).key },
    { op: 'delService', key: service(81).key },
    ...[90, 91, 92, 93].flatMap(port => add(port, HOSTS)),
    { op: 'editDest', key: service(82).key, dest: dest(1, 7) },
  ]
  const seen = new Set<string>()
  const reply = s.sliced(ops, 5, () => {
    const usable = old.flat().filter(({ available }) => available).length
    seen.add(`${picture(s).join('; ')}; ${usable} of the deleted`)
  })
  t.match(reply, { ok: true })
  const after = picture(s)
  t.not(after.join(), before.join())
  t.ok(seen.has(`${before.join('; ')}; 18 of the deleted`))
  t.ok(seen.has(`${after.join('; ')}; 0 of the deleted`))
  t.equal(seen.size, 2)
})

t.test(
  'a service that is deleted and made anew in one batch takes its real servers back',
  async t => {
    const s = setup()
    s.run({ op: 'batch', ops: add(80, [1, 2]) })
    const rows = () => s.ipvs.admin.service(service(80).key).dests.map(({ row }) => row)
    const before = rows()
    const ops: Op[] = [{ op: 'delService', key: service(80).key }, ...add(80, [1, 2])]
    t.match(
      s.sliced(ops, 2, () => {}),
      { ok: true },
    )
    t.strictSame(rows(), before)
  },
)

t.test('in slices as one by one', async t => {
  const random = Random.of(t)
  const pick = <T>(list: readonly T[]): T => random.pick(list)
  const ports = [80, 81, 82, 83, 84]
  const any = (): Op => {
    const key = service(pick(ports)).key
    return pick<() => Op>([
      () => ({ op: 'addService', service: service(pick(ports), pick(['rr', 'wlc'])) }),
      () => ({ op: 'editService', service: service(pick(ports), pick(['rr', 'wlc'])) }),
      () => ({ op: 'delService', key }),
      () => ({ op: 'addDest', key, dest: dest(pick(HOSTS)) }),
      () => ({ op: 'addDest', key, dest: dest(pick(HOSTS)) }),
      () => ({ op: 'editDest', key, dest: dest(pick(HOSTS), random.integer(0, 8)) }),
      () => ({ op: 'delDest', key, dest: dest(pick(HOSTS)) }),
    ])()
  }
  const [one, many] = [setup(), setup()]
  let carriedOut = 0
  for (let round = 0; round < 3000; round++) {
    const ops = Array.from({ length: random.integer(1, 6) }, any)
    const before = picture(many)
    const expected = ops.every(op => setupSays(one, op)) ? picture(one) : before
    const reply = many.sliced(ops, random.integer(1, 3), () => {})
    t.strictSame(picture(many), expected, `${round}: ${JSON.stringify(ops)}`)
    t.equal(reply.ok, expected !== before)
    if (reply.ok) carriedOut++
    else restore(one, many)
  }
  t.ok(carriedOut > 100, `${carriedOut} were carried out`)
})

const setupSays = (s: ReturnType<typeof setup>, op: Op): boolean => s.run(op).ok

/** Makes the one what the other is, after a batch that failed halfway. */
function restore(one: ReturnType<typeof setup>, other: ReturnType<typeof setup>): void {
  one.run({ op: 'flush' })
  for (const each of other.ipvs.services) {
    const { key } = service(each.port)
    const described = other.ipvs.admin.describeService(key)
    one.run({ op: 'addService', service: described.service })
    for (const server of described.dests) one.run({ op: 'addDest', key, dest: server })
  }
}
