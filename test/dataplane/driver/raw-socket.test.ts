import { execFileSync } from 'node:child_process'
import t from 'tap'
import { COUNTER_NAMES, Counter } from '../../../dataplane/counters.js'
import { RawSocketDriver } from '../../../dataplane/driver/raw-socket.js'
import * as gso from '../../../dataplane/gso.js'
import type { Packet } from '../../../dataplane/packet.js'
import { parse } from '../../../dataplane/parse.js'
import { allocateQueue, PacketQueue } from '../../../dataplane/shared/packet-queue.js'
import * as checksum from '../../../dataplane/wire/checksum.js'
import * as virtioNet from '../../../dataplane/wire/virtio-net.js'
import { EventDescriptor } from '../../../server/host/event-descriptor.js'

/** Packets as scapy builds them, one for each expression. */
function build(...expressions: string[]): Buffer[] {
  const lines = expressions.map(each => `print(bytes(${each}).hex())`).join('\n')
  const script = `from scapy.all import *\n${lines}`
  const out = execFileSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8' })
  return out
    .trim()
    .split('\n')
    .map(line => Buffer.from(line, 'hex'))
}

/** The driver between two queues, on loopback, whose MTU of 65536 merges nothing by itself. */
function make(mtuOctets = 1500) {
  const packetQueues = { toWorker: allocateQueue(1 << 20), fromWorker: allocateQueue(1 << 20) }
  const wake = new EventDescriptor()
  const main = new PacketQueue(packetQueues.toWorker)
  main.descriptor = wake.descriptor
  const counters = new Float64Array(COUNTER_NAMES.length)
  const driver = new RawSocketDriver({ packetQueues, interfaces: ['lo'] }, counters)
  t.teardown(() => wake.close())
  driver.ports[0]!.mtuOctets = mtuOctets
  const burst: Packet[] = []
  const receive = (...packets: Buffer[]) => {
    for (const packet of packets) main.push(packet, 0, packet.length)
    return burst.slice(0, driver.receive(burst, 256))
  }
  return { driver, counters, main, wake, receive, out: new PacketQueue(packetQueues.fromWorker) }
}

const octetsOf = ({ bytes, l3, end }: Packet) => Buffer.from(bytes.slice(l3, end))
const offloadOf = ({ l2 }: Packet) => l2 - virtioNet.LENGTH

const HEADER = "IP(src='192.0.2.9',dst='198.51.100.1')"
const PAYLOAD = (octets: number) => `(bytes(range(256))*${Math.ceil(octets / 256)})[:${octets}]`

/** The same packet with its checksum field as the kernel leaves it for an interface to finish. */
function partial(packet: Buffer, field: number): Buffer {
  const copy = Buffer.from(packet)
  const protocol = copy[9]!
  const octets = copy.length - 20
  let sum = protocol + octets
  for (let at = 12; at < 20; at += 2) sum += copy.readUInt16BE(at)
  copy.writeUInt16BE((sum & 0xffff) + (sum >>> 16), 20 + field)
  return copy
}

t.test(
  'a complete datagram comes through as it is, one with a partial checksum is marked',
  async t => {
    const { receive, driver } = make()
    const [tcp, udp, icmp] = build(
      `${HEADER}/TCP(sport=40000,dport=80,flags='PA')/${PAYLOAD(101)}`,
      `${HEADER}/UDP(sport=40000,dport=53)/${PAYLOAD(33)}`,
      `${HEADER}/ICMP()/${PAYLOAD(8)}`,
    )
    const whole = receive(tcp!, udp!, icmp!)
    t.strictSame(whole.map(octetsOf), [tcp, udp, icmp])
    for (const pkt of whole) {
      t.equal(virtioNet.needsChecksum(pkt.view, offloadOf(pkt)), false)
      t.equal(virtioNet.isGso(pkt.view, offloadOf(pkt)), false)
      t.equal(pkt.port, 0)
    }
    driver.flush()
    for (const pkt of receive(partial(tcp!, 16), partial(udp!, 6))) {
      t.equal(virtioNet.needsChecksum(pkt.view, offloadOf(pkt)), true)
      t.equal(parse(pkt), 0)
      t.ok(checksum.complete(pkt))
      t.strictSame(
        octetsOf(pkt),
        pkt.flow.protocol === 6 ? tcp : udp,
        'completed: as scapy made it',
      )
    }
  },
)

/** Cuts the packet as the engine does for `sendIp`, and gives what scapy would have to reassemble. */
function segments(driver: RawSocketDriver, pkt: Packet): Buffer[] {
  t.equal(parse(pkt), 0)
  const out: Buffer[] = []
  const emit = (piece: Packet) => {
    t.ok(checksum.isTransportGood(piece))
    out.push(octetsOf(piece))
    driver.sendIp(piece)
  }
  t.ok(gso.segment(pkt, octets => driver.take(octets), emit))
  return out
}

t.test('merged segments are cut to the MSS that the SYNs announced', async t => {
  const { receive, driver } = make()
  const syn = (mss: number) => `TCP(sport=40000,dport=80,flags='S',options=[('MSS',${mss})])`
  const answer = (mss: number) =>
    `IP(src='10.0.0.1',dst='192.0.2.9')/TCP(sport=8080,dport=40000,flags='SA',options=[('MSS',${mss})])`
  const data = `${HEADER}/TCP(sport=40000,dport=80,flags='PA',seq=1000)/${PAYLOAD(60_000)}`
  const reply = `IP(src='10.0.0.1',dst='192.0.2.9')/TCP(sport=8080,dport=40000,flags='A',options=[('NOP',None),('NOP',None),('Timestamp',(1,2))])/${PAYLOAD(9000)}`
  const [merged, synPacket, answerPacket, replyPacket] = build(
    data,
    `${HEADER}/${syn(1400)}`,
    answer(1200),
    reply,
  )
  const [unknown] = receive(partial(merged!, 16))
  t.equal(
    virtioNet.gsoSize(unknown!.view, offloadOf(unknown!)),
    1460,
    'no SYN seen: the MTU decides',
  )
  driver.flush()
  receive(synPacket!, answerPacket!)
  driver.flush()
  const [known, known2] = receive(partial(merged!, 16), partial(replyPacket!, 16))
  t.equal(virtioNet.gsoSize(known!.view, offloadOf(known!)), 1200)
  t.equal(virtioNet.gsoSize(known2!.view, offloadOf(known2!)), 1188, 'options take their part')
  const cut = segments(driver, known!)
  t.equal(cut.length, 50)
  t.strictSame(Buffer.concat(cut.map(each => each.subarray(40))), merged!.subarray(40))
  t.strictSame(
    cut.map(each => each.readUInt32BE(24)),
    Array.from({ length: 50 }, (_, i) => 1000 + 1200 * i),
  )
})

t.test('a large UDP datagram stays one: it was reassembled, not merged', async t => {
  const { receive } = make()
  const [datagram] = build(`${HEADER}/UDP(sport=40000,dport=53)/${PAYLOAD(8000)}`)
  const [pkt] = receive(datagram!)
  t.equal(virtioNet.isGso(pkt!.view, offloadOf(pkt!)), false)
  t.strictSame(octetsOf(pkt!), datagram)
})

t.test('what is sent goes into the queue, and the main thread is told once a turn', async t => {
  const { driver, out, counters } = make()
  const pkt = driver.take(14 + 40)!
  pkt.bytes.fill(0x45, pkt.l3, pkt.end)
  t.equal(out.goIdle(), true)
  const signalled = out.signalled()
  driver.sendIp(pkt)
  driver.flush()
  await signalled
  const buffer = new Uint8Array(100)
  t.equal(out.shift(buffer, 0), 40)
  t.equal(buffer[39], 0x45)
  const large = driver.take(14 + 60_000)!
  for (let i = 0; i < 20; i++) driver.sendIp(large)
  t.ok(counters[Counter.transmitFull]! > 0, 'a full queue is a counted drop')
})

t.test(
  'its own packets run out as a counted drop, and are free again in the next turn',
  async t => {
    const { driver, counters } = make()
    let taken = 0
    while (taken < 10_000 && driver.take(1500) !== null) taken++
    t.ok(taken >= 256 && taken < 10_000)
    t.equal(counters[Counter.noBuffer], 1)
    driver.flush()
    t.not(driver.take(1500), null)
  },
)

t.test('packets that the queue could not take are counted as lost', async t => {
  const { driver, main, counters } = make()
  const packet = Buffer.alloc(65_000)
  let lost = 0
  for (let i = 0; i < 20; i++) if (!main.push(packet, 0, packet.length)) lost++
  driver.updateCounters()
  t.ok(lost > 0)
  t.equal(counters[Counter.ringFull], lost)
})

t.test('an unknown interface or missing queues are refused by name', async t => {
  const counters = new Float64Array(COUNTER_NAMES.length)
  const packetQueues = { toWorker: allocateQueue(1 << 17), fromWorker: allocateQueue(1 << 17) }
  t.throws(
    () => new RawSocketDriver({ packetQueues, interfaces: ['nowhere0'] }, counters),
    /nowhere0/,
  )
  t.throws(() => new RawSocketDriver({ interfaces: ['lo'] }, counters), /queues/)
})
