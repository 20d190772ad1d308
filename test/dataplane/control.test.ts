import t from 'tap'
import { ManualClock } from '../../dataplane/clock.js'
import { Control } from '../../dataplane/control.js'
import { LoopbackDriver } from '../../dataplane/driver/loopback.js'
import { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import { NetworkTable } from '../../dataplane/net/network-table.js'
import type { DestConfig, Op, ServiceConfig } from '../../dataplane/protocol.js'
import { allocate } from '../../dataplane/shared/memory.js'

const VIP = '198.51.100.1'

function setup() {
  const port = { name: 'eth0', ifIndex: 2, mac: Uint8Array.of(2, 0, 0, 0, 0, 1), mtuOctets: 1500 }
  const driver = new LoopbackDriver([port])
  const network = new NetworkTable(driver)
  const clock = new ManualClock()
  const ipvs = new Ipvs({ driver, network, clock, memory: allocate(1024), seeds: [1, 2, 3] })
  let stopped = false
  const onStop = () => (stopped = true)
  const control = new Control({ ipvs, driver, nowMs: () => clock.now(), onStop })
  let id = 0
  const run = (op: Op) => control.answer({ id: ++id, ...op })
  return { ipvs, run, isStopped: () => stopped }
}

const service = (port: number, scheduler: ServiceConfig['scheduler'] = 'rr'): ServiceConfig => ({
  ...{ key: { family: 'ipv4', protocol: 'tcp', address: VIP, port }, scheduler },
  ...{ schedulerFlags: [], persistence: null, onePacket: false },
})

const dest = (address: string, weight = 1): DestConfig => ({
  ...{ address, port: 8080, weight, forwarding: 'masq', tunnel: null },
  ...{ upperThreshold: 0, lowerThreshold: 0 },
})

/** Everything configured, as text. */
function picture({ ipvs }: ReturnType<typeof setup>): string[] {
  return [...ipvs.services].map(s => {
    const servers = s.dests.map(d => `${d.w0 & 255}:${d.weight}@${d.row}`).join(' ')
    return `${s.port} ${s.schedulerName} [${servers}]`
  })
}

t.test('ops are answered with rows or with the kernel’s codes', async t => {
  const s = setup()
  const { key } = service(80)
  t.strictSame(s.run({ op: 'addService', service: service(80) }), {
    ...{ id: 1, ok: true, result: { row: 1 } },
  })
  t.match(s.run({ op: 'addService', service: service(80) }), { ok: false, code: 'EEXIST' })
  t.match(s.run({ op: 'delService', key: service(81).key }), { ok: false, code: 'ESRCH' })
  t.match(s.run({ op: 'addDest', key, dest: dest('10.0.0.1') }), { ok: true, result: { row: 1 } })
  t.match(s.run({ op: 'addDest', key, dest: dest('10.0.0.1') }), { ok: false, code: 'EEXIST' })
  t.match(s.run({ op: 'delDest', key, dest: dest('10.0.0.9') }), { ok: false, code: 'ENOENT' })
  const crossed = { ...dest('10.0.0.2'), upperThreshold: 5, lowerThreshold: 6 }
  t.match(s.run({ op: 'addDest', key, dest: crossed }), { ok: false, code: 'ERANGE' })
  // The order of ip_vs_add_dest and ip_vs_edit_dest: thresholds, the server, its address.
  for (const address of ['10.0.0.1', '0.0.0.0', '10.0.0.9']) {
    const limits = { ...crossed, address }
    t.match(s.run({ op: 'addDest', key, dest: limits }), { ok: false, code: 'ERANGE' }, address)
    t.match(s.run({ op: 'editDest', key, dest: limits }), { ok: false, code: 'ERANGE' }, address)
  }
  t.match(s.run({ op: 'addDest', key, dest: dest('0.0.0.0') }), { ok: false, code: 'EINVAL' })
  t.match(s.run({ op: 'editDest', key, dest: dest('0.0.0.0') }), { ok: false, code: 'ENOENT' })
  const other = dest('2001:db8:2::1')
  t.match(s.run({ op: 'addDest', key, dest: other }), { ok: false, code: 'EINVAL' })
  t.strictSame(picture(s), ['80 rr [1:1@1]'], 'refused ops left nothing behind')
})

t.test('a batch is all or nothing', async t => {
  const s = setup()
  const { key } = service(80)
  s.run({ op: 'addService', service: service(80) })
  s.run({ op: 'addDest', key, dest: dest('10.0.0.1', 3) })
  s.run({ op: 'addDest', key, dest: dest('10.0.0.2', 4) })
  const before = picture(s)
  const failing: Op = { op: 'delDest', key, dest: dest('10.0.0.99') }
  const ops: Op[] = [
    { op: 'addService', service: service(81) },
    { op: 'editService', service: service(80, 'wlc') },
    { op: 'editDest', key, dest: dest('10.0.0.1', 9) },
    { op: 'addDest', key, dest: dest('10.0.0.3') },
    { op: 'delDest', key, dest: dest('10.0.0.2') },
    failing,
  ]
  t.match(s.run({ op: 'batch', ops }), { ok: false, code: 'ENOENT' })
  t.strictSame(picture(s).sort(), ['80 rr [2:4@2 1:3@1]'].sort())
  t.strictSame(picture(s), before)
  t.match(s.run({ op: 'batch', ops: [{ op: 'delService', key }, failing] }), { code: 'ESRCH' })
  t.strictSame(picture(s), before, 'a deleted service comes back with its servers, in order')
  t.match(s.run({ op: 'batch', ops: ops.slice(0, -1) }), { ok: true })
  t.strictSame(picture(s), ['80 wlc [3:1@3 1:9@1]', '81 rr []'])
})

t.test('a real server added again in time has its old row and counters', async t => {
  const s = setup()
  const { key } = service(80)
  s.run({ op: 'addService', service: service(80) })
  s.run({ op: 'addDest', key, dest: dest('10.0.0.1') })
  s.run({ op: 'delDest', key, dest: dest('10.0.0.1') })
  s.run({ op: 'addDest', key, dest: dest('10.0.0.2') })
  t.match(s.run({ op: 'addDest', key, dest: dest('10.0.0.1') }), { result: { row: 1 } })
})

t.test('thousands go and come back, each to its old row, without looking through all', async t => {
  const s = setup()
  const ports = Array.from({ length: 2000 }, (_, i) => 1000 + i)
  const servers = Array.from({ length: 10 }, (_, i) => dest(`10.0.0.${i + 1}`))
  const add = ports.flatMap((port): Op[] => [
    { op: 'addService', service: service(port) },
    ...servers.map((each): Op => ({ op: 'addDest', key: service(port).key, dest: each })),
  ])
  t.match(s.run({ op: 'batch', ops: add }), { ok: true })
  const before = picture(s)
  const remove = ports.map((port): Op => ({ op: 'delService', key: service(port).key }))
  t.match(s.run({ op: 'batch', ops: remove }), { ok: true })
  t.strictSame(picture(s), [])
  t.match(s.run({ op: 'batch', ops: add }), { ok: true })
  t.strictSame(picture(s), before)
})

t.test('stop ends the loop', async t => {
  const s = setup()
  s.run({ op: 'ping' })
  t.notOk(s.isStopped())
  s.run({ op: 'stop' })
  t.ok(s.isStopped())
})
