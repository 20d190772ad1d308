// IPv4 options, held against the host's own kernel: the same packets, to ports that nobody serves
// there and that the guard hides here, and through both as forwarders.
import t, { type Test } from 'tap'
import { Counter } from '../../../dataplane/counters.js'
import { KernelTwin, VIP } from '../../fixtures/kernel-twin.js'
import { buildBytes, onesComplement, toHex, type PacketRecord } from '../../fixtures/packets.js'
import { seeded } from '../../fixtures/random.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const CLIENT = '10.1.0.1'
const SERVER = '192.168.10.11'
const LAB = {
  ...{ vips: [VIP.ipv4], vips6: [VIP.ipv6], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}
const RANDOM_CASES = 200
/** Times that both wrote are of the same minute. */
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const twin = await KernelTwin.start()
t.teardown(() => twin.stop())

const four = [0, 0, 0, 0]
const eight = [...four, ...four]
const named = (address: string) => address.split('.').map(Number)
const CASES: Record<string, number[]> = {
  'a route': [7, 11, 4, ...eight],
  'a route with one slot left': [7, 11, 8, 1, 2, 3, 4, ...four],
  'a route with half a slot left behind': [7, 10, 4, ...eight.slice(1)],
  'times with half a slot left behind': [68, 10, 5, 0, ...eight.slice(2)],
  'a full route': [7, 7, 8, 1, 2, 3, 4],
  'a route whose pointer is too small': [7, 7, 3, ...four],
  'a route with half a slot': [7, 9, 8, 1, 2, 3, 4, 5, 6],
  'two routes': [7, 7, 4, ...four, 7, 7, 4, ...four],
  'a route, then what is wrong': [7, 7, 4, ...four, 99, 0],
  times: [68, 12, 5, 0, ...eight],
  'one time': [68, 8, 5, 0, ...four],
  'times with addresses': [68, 20, 5, 1, ...eight, ...eight],
  'times with addresses, half a slot left behind': [68, 16, 5, 1, ...eight, ...four],
  'times, our address named': [68, 12, 5, 3, ...named(VIP.ipv4), ...four],
  'times, twice our address named': [
    68,
    20,
    5,
    3,
    ...named(VIP.ipv4),
    ...four,
    10,
    0,
    0,
    1,
    ...four,
  ],
  "times, another's address named": [68, 12, 5, 3, 192, 168, 10, 11, ...four],
  'times, a multicast address named': [68, 12, 5, 3, 224, 0, 0, 1, ...four],
  'full times': [68, 8, 9, 0x20, 1, 2, 3, 4],
  'full times, too often': [68, 8, 9, 0xf0, 1, 2, 3, 4],
  'full times of named addresses': [68, 12, 13, 0xf3, 1, 1, 1, 1, 1, 1, 1, 1],
  'times whose pointer is too small': [68, 8, 4, 0, ...four],
  'times that are too short': [68, 3, 5],
  'times of an unknown kind': [68, 12, 5, 5, ...eight],
  'times with half a slot': [68, 10, 9, 1, 0, 0, 0, 0, 0, 0],
  'two times': [68, 8, 5, 0, ...four, 68, 8, 5, 0, ...four],
  'route and times': [7, 7, 4, ...four, 68, 8, 5, 0, ...four],
  'times and route': [68, 8, 5, 0, ...four, 1, 7, 7, 4, ...four],
  'a router alert': [148, 4, 0, 0],
  'a router alert that is too short': [148, 3, 0],
  'no length': [130, 0, 0, 0],
  'a length of one': [130, 1, 0, 0],
  'beyond the header': [130, 9, 0, 0],
  'a type and nothing else': [1, 1, 1, 130],
  'something behind the end': [0, 7, 9, 1],
  'a source route': [131, 7, 4, 9, 9, 9, 9],
  'a source route that is done': [137, 7, 8, 9, 9, 9, 9],
  'a source route whose pointer is too small': [131, 7, 3, 9, 9, 9, 9],
  'a source route that is too short': [131, 2, 1, 1],
  'an unknown option': [99, 4, 1, 2],
  security: [130, 4, 1, 1],
  'CIPSO without a domain': [134, 6, 0, 0, 0, 1],
  'CIPSO of a domain that nobody knows': [134, 10, 0, 0, 0, 1, 1, 4, 0, 1],
}

const padded = (options: readonly number[]) => [
  ...options,
  ...new Array<number>((4 - (options.length % 4)) % 4).fill(0),
]

interface Question {
  name: string
  wire: 'client' | 'server'
  ip: Uint8Array
}

/** To endpoints that the guard hides; and from one that it hides, to be forwarded. */
const KINDS = ['a closed UDP port', 'a closed TCP port', 'a host behind', 'its last hop'] as const

function questionOf(kind: number, name: string, options: readonly number[], id: number): Question {
  const head = { id, options: padded(options) }
  const ports = { srcPort: 4000, dstPort: 80 }
  const udp = { ...ports, payload: Uint8Array.of(1, 2, 3) }
  const out = { ...head, src: SERVER, dst: CLIENT, udp: { srcPort: 80, dstPort: 4000 } }
  const toVip = { ...head, src: CLIENT, dst: VIP.ipv4 }
  const records: PacketRecord[] = [
    { ...toVip, udp },
    { ...toVip, tcp: { ...ports, flags: '.', seq: id } },
    out,
    { ...out, ttl: 1 },
  ]
  return {
    name: `${name}, to ${KINDS[kind]}`,
    wire: kind < 2 ? 'client' : 'server',
    ip: buildBytes(records[kind]!),
  }
}

async function engine(): Promise<Director> {
  const director = new Director(LAB, makeDriver, { timeOfDayMs })
  for (const line of [`-A -u ${VIP.ipv4}:80 -s rr`, `-A -t ${VIP.ipv4}:80 -s rr`])
    await director.command(`ipvsadm ${line}`)
  // Its packets are ours, so the guard hides them and we do as the host would have done.
  await director.command(`ipvsadm -a -u ${VIP.ipv4}:80 -r ${SERVER}:80 -m -w 0`)
  return director
}
const timeOfDayMs = () => Date.now() % DAY_MS

/** All that may differ: identification, times, and checksums, which are checked instead. */
function comparable(t: Test, octets: Uint8Array, nowMs: number): string {
  const ip = Buffer.from(octets)
  const header = (ip[0]! & 0x0f) * 4
  if (onesComplement(ip.subarray(0, header)) !== 0) t.fail('header checksum')
  ip.fill(0, 4, 6)
  ip.fill(0, 10, 12)
  if (ip[9] === 1) {
    if (onesComplement(ip.subarray(header)) !== 0) t.fail('ICMP checksum')
    // The kernel changes options, and leaves the checksum of what it quotes as it was.
    ip.fill(0, header + 2, header + 4)
    ip.fill(0, header + 18, header + 20)
  }
  const end = ip[9] === 1 ? Math.min(ip.length, header + 8 + 60) : header
  for (let at = 20; at + 4 <= end; at++) {
    if (Math.abs(ip.readInt32BE(at) - nowMs) < MINUTE_MS) ip.writeInt32BE(0x71717171, at)
  }
  return toHex(ip)
}

/** Each packet's answers: both must have answered alike, or not at all. */
async function compare(t: Test, all: readonly [name: string, options: number[]][]) {
  const director = await engine()
  let answered = 0
  // One kind at a time: answers come in the order of their questions.
  for (const kind of KINDS.keys()) {
    const questions = all.map(([name, options], i) => questionOf(kind, name, options, i + 1))
    const nowMs = timeOfDayMs()
    const { wire } = questions[0]!
    const given = await twin.ask(wire, questions.map(({ ip }) => ip)) // prettier-ignore
    const kernel = { client: given.client.entries(), server: given.server.entries() }
    for (const { name, ip } of questions) {
      director.inject(wire, ip)
      for (const frame of director.take()) {
        const wanted = kernel[frame.port].next()
        const seen = comparable(t, frame.ip, nowMs)
        const expected = wanted.done ? '(nothing)' : comparable(t, wanted.value[1], nowMs)
        answered++
        if (seen !== expected) {
          t.equal(seen, expected, `${name} ${toHex(ip)}`)
          return answered
        }
      }
    }
    for (const port of ['client', 'server'] as const)
      t.ok(kernel[port].next().done, `${KINDS[kind]}: no more of the kernel's on the ${port} wire`)
  }
  return answered
}

t.test('known cases', async t => {
  const answered = await compare(t, Object.entries(CASES))
  t.ok(answered > Object.keys(CASES).length, `${answered} answers`)
})

/** Mostly of the right form, often wrong in one octet. Without source routes. */
function randomOptions(random: (bound: number) => number): number[] {
  const options: number[] = []
  while (options.length < 32 && random(4) > 0) {
    const type = [1, 7, 7, 68, 68, 148, 130, 99, 134][random(9)]!
    if (type === 1) options.push(1)
    else {
      const room = 40 - options.length
      const slots = Math.min(room - 4, random(5) * 4)
      const octets = Math.max(2, (type === 7 ? 3 : 4) + slots)
      const body = Array.from({ length: octets - 2 }, () => random(256))
      if (random(8) > 0) body[0] = (type === 68 ? 5 : 4) + 4 * random(slots / 4 + 2)
      if (type === 68 && random(8) > 0) body[1] = random(16) * 16 + [0, 1, 3, 3][random(4)]!
      if (type === 68 && random(3) === 0) body.splice(2, 4, ...named(VIP.ipv4))
      options.push(type, random(12) > 0 ? octets : random(44), ...body.slice(0, octets - 2))
    }
  }
  return options.slice(0, 40)
}

t.test('random ones', async t => {
  const random = seeded(t)
  const all = Array.from({ length: RANDOM_CASES }, (_, i): [string, number[]] => [
    `random ${i}`,
    randomOptions(random),
  ])
  const answered = await compare(t, all)
  t.ok(answered > RANDOM_CASES, `${answered} answers`)
})

t.test(
  'a packet to a real server and its reply: recorded once, by the address it was sent to',
  async t => {
    const director = await engine()
    await director.command(`ipvsadm -a -t ${VIP.ipv4}:80 -r ${SERVER}:80 -m`)
    const options = [7, 11, 4, ...eight, 1]
    const times = [68, 20, 5, 1, ...eight, ...eight]
    const vip = named(VIP.ipv4)
    for (const [i, given] of [options, times].entries()) {
      const syn = { srcPort: 5000 + i, dstPort: 80, flags: 'S' }
      director.inject(
        'client',
        buildBytes({ src: CLIENT, dst: VIP.ipv4, options: given, tcp: syn }),
      )
      const [frame] = director.take()
      const seen = Buffer.from(frame!.ip)
      t.equal(frame!.port, 'server')
      t.equal(onesComplement(seen.subarray(0, 20 + given.length)), 0, 'header checksum')
      const at = i === 0 ? 3 : 4
      t.strictSame([...seen.subarray(20 + at, 24 + at)], vip, 'the virtual address')
      t.equal(seen[22], given[2]! + (i === 0 ? 4 : 8), 'one slot')
      const answer = { srcPort: 80, dstPort: 5000 + i, flags: 'S.' }
      director.inject(
        'server',
        buildBytes({ src: SERVER, dst: CLIENT, options: given, tcp: answer }),
      )
      const reply = Buffer.from(director.take()[0]!.ip)
      t.equal(onesComplement(reply.subarray(0, 20 + given.length)), 0, 'header checksum')
      // A time is that of the arrival, with the address towards who sent it.
      const wanted = i === 0 ? vip : [192, 168, 10, 1]
      t.strictSame([...reply.subarray(20 + at, 24 + at)], wanted)
    }
  },
)

t.test('what is wrong is counted, and told by the host itself where it sees it', async t => {
  const director = await engine()
  const { counters } = director
  const udp = { srcPort: 4000, dstPort: 81 }
  director.inject('client', buildBytes({ src: CLIENT, dst: VIP.ipv4, options: [7, 7, 3, 0], udp }))
  t.equal(counters[Counter.badIpHeader], 1)
  director.inject(
    'client',
    buildBytes({ src: CLIENT, dst: VIP.ipv4, options: [131, 3, 4, 0], udp }),
  )
  t.equal(counters[Counter.sourceRoute], 1)
  // Two of them are wrong, too; there the kernel would answer by the route that they name.
  const twice = [131, 3, 4, 137, 3, 4, 0, 0]
  director.inject('client', buildBytes({ src: CLIENT, dst: VIP.ipv4, options: twice, udp }))
  t.equal(counters[Counter.sourceRoute], 2)
})
