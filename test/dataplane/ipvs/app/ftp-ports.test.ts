// Changing FTP's ports while services and connections exist: what is guarded, and until when.
import t from 'tap'
import { Control } from '../../../../dataplane/control.js'
import { LoopbackDriver } from '../../../../dataplane/driver/loopback.js'
import { Bindings } from '../../../../dataplane/ipvs/app/bindings.js'
import type { GuardedEndpoint, Op } from '../../../../dataplane/protocol.js'
import { CAST, FtpBench } from './bench.js'

const TCP = 6
const PORT = 2121
const { client: CLIENT, vip: VIP, server: SERVER } = CAST[4]
const REAL_PORT = 8021

const vip: GuardedEndpoint = { role: 'vip', address: VIP, protocol: 'tcp', port: PORT }
const real: GuardedEndpoint = { role: 'real', address: SERVER, protocol: 'tcp', port: REAL_PORT }
const ENDPOINTS = [vip, { ...vip, ftp: true }, real, { ...real, ftp: true }]

function setup() {
  const bench = new FtpBench()
  const { ipvs } = bench
  const driver = new LoopbackDriver([])
  const control = new Control({ ipvs, driver, nowMs: () => 0, onStop: () => undefined })
  const run = (op: Op) => {
    const reply = control.answer({ id: 1, ...op })
    if (!reply.ok) throw new Error(reply.detail)
    return reply.result
  }
  const key = { family: 'ipv4', protocol: 'tcp', address: VIP, port: PORT } as const
  const dest = { address: SERVER, port: REAL_PORT, weight: 1, forwarding: 'masq' } as const
  const service = { key, scheduler: 'rr', persistence: null, onePacket: false } as const
  run({ op: 'addService', service: { ...service, schedulerFlags: [] } })
  const rest = { tunnel: null, upperThreshold: 0, lowerThreshold: 0 }
  run({ op: 'addDest', key, dest: { ...dest, ...rest } })
  const ports = (ftpPorts: number[]) =>
    run({
      op: 'batch',
      ops: [{ op: 'setSettings', settings: { ...ipvs.configuration(), ftpPorts } }],
    })
  const held = () => (run({ op: 'guarded', endpoints: ENDPOINTS }) as { held: boolean[] }).held
  const client = (flags: string) =>
    bench.inject(
      'client',
      bench.frame({ src: CLIENT, dst: VIP }, { srcPort: 4000, dstPort: PORT }, { flags, seq: 1 }),
    )
  return { bench, run, key, ports, held, client }
}

t.test('services that exist follow, both ways', async t => {
  const { ports, held, bench, run, key } = setup()
  t.strictSame(held(), [true, false, true, false])
  ports([PORT])
  t.strictSame(held(), [true, true, true, true])
  t.strictSame(bench.ipvs.guarded.ftpPorts, [21, PORT])
  ports([21])
  t.strictSame(held(), [true, false, true, false], 'at once: nobody is connected')
  ports([PORT])
  run({ op: 'delService', key })
  t.strictSame(held(), [false, false, false, false])
})

t.test('while a connection has the helper its port stays FTP’s', async t => {
  const { ports, held, bench, client } = setup()
  ports([PORT])
  client('S')
  ports([])
  t.strictSame(held(), [true, true, true, true])
  t.ok(bench.ipvs.guarded.isFtp(TCP, PORT))
  ports([21])
  ports([])
  t.strictSame(held(), [true, true, true, true], 'whatever is changed besides')
  bench.pass(58)
  t.strictSame(held(), [true, true, true, true], 'SYN_RECV lasts 60 s')
  bench.pass(5)
  t.strictSame(bench.connections(), [])
  t.strictSame(held(), [true, false, true, false])
  t.notOk(bench.ipvs.guarded.isFtp(TCP, PORT))
  client('S')
  t.strictSame(held(), [true, false, true, false], 'a new one has no helper')
})

t.test('an adopted connection counts too', async t => {
  const bindings = new Bindings(new Int32Array(64))
  bindings.setFtpPorts([21])
  bindings.adopt(PORT)
  bindings.adopt(21)
  t.strictSame(bindings.livePorts(), [21, PORT])
  bindings.unbind(PORT)
  bindings.unbind(21)
  t.strictSame(bindings.livePorts(), [21])
})
