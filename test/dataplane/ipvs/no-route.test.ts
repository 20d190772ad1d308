// Packets for which the routes lead nowhere, forwarded by the host's kernel and by an engine that
// does it in the kernel's place, where the guard hides what a real server sends.
import t from 'tap'
import { RouteType, TABLE_MAIN } from '../../../dataplane/net/route.js'
import * as address from '../../../dataplane/wire/address.js'
import { KernelTwin, VIP } from '../../fixtures/kernel-twin.js'
import { buildBytes } from '../../fixtures/packets.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

type Family = 'ipv4' | 'ipv6'
const LAB = {
  ...{ vips: [VIP.ipv4], vips6: [VIP.ipv6], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}
const ROUTES = {
  ipv4: { unreachable: '203.0.113.0', prohibit: '203.0.113.64', blackhole: '203.0.113.128' },
  ipv6: { unreachable: '2001:db8:f1::', prohibit: '2001:db8:f2::', blackhole: '2001:db8:f3::' },
} as const
const LENGTHS = { ipv4: 26, ipv6: 64 }
/** Each asks once: the kernel gives a peer one such answer a second. */
const server = (family: Family, k: number) =>
  family === 'ipv4' ? `192.168.10.${10 + k}` : `2001:db8:10::${10 + k}`
const NOWHERE = { ipv4: '8.8.8.8', ipv6: '2001:4860::8' }

const twin = await KernelTwin.start()
t.teardown(() => twin.stop())

for (const family of ['ipv4', 'ipv6'] as const) {
  t.test(family, async t => {
    const director = new Director(LAB, makeDriver)
    const inBrackets = (text: string) => (family === 'ipv4' ? text : `[${text}]`)
    const service = `-u ${inBrackets(VIP[family])}:80`
    await director.command(`ipvsadm -A ${service} -s rr`)
    for (let k = 1; k <= 8; k++)
      await director.command(`ipvsadm -a ${service} -r ${inBrackets(server(family, k))}:80 -m`)
    await makeRoutes(director, family)
    const to = [NOWHERE[family], ...Object.values(ROUTES[family]).map(text => next(text))]
    const questions = [64, 1].flatMap((ttl, i) =>
      to.map((dst, j) => ({ src: server(family, 1 + i * 4 + j), dst, ttl })),
    )
    const packets = questions.map(each => buildBytes({ ...each, udp: { srcPort: 80, dstPort: 9 } }))
    const kernel = (await twin.ask('server', packets)).server.map(said)
    const seen = packets.flatMap(ip => {
      director.inject('server', ip)
      return director.take().map(frame => said(frame.ip))
    })
    t.equal(kernel.length, 6, 'all but what falls into the blackhole')
    t.strictSame(seen, kernel)
  })
}

/** The same in both: none but to what is on the link, and three kinds that lead nowhere. */
async function makeRoutes(director: Director, family: Family): Promise<void> {
  const { network } = director
  const ip = family === 'ipv6' ? '-6 ' : ''
  const number = family === 'ipv6' ? 6 : 4
  twin.router.ip(`${ip}route del default`)
  for (const route of [...network.fib.all()])
    if (route.family === number && route.length === 0) network.removeRoute(route)
  const length = LENGTHS[family]
  for (const [type, text] of Object.entries(ROUTES[family])) {
    twin.router.ip(`${ip}route add ${type} ${text}/${length}`)
    const { w0, w1, w2, w3 } = address.parse(text)!
    network.addRoute({
      ...{ family: number, table: TABLE_MAIN, w0, w1, w2, w3, length, tos: 0, metric: 0 },
      ...{ type: RouteType[type as keyof typeof RouteType], mtuOctets: 0, hops: [] },
    })
  }
}

const next = (text: string): string => {
  const { family, w0, w1, w2, w3 } = address.parse(text)!
  return family === 4 ? address.format4(w0 + 1) : address.format6(w0, w1, w2, w3 + 1)
}

/** Type and code, source, and what is quoted. */
const said = (octets: Uint8Array): string => {
  const ip = Buffer.from(octets)
  const [l4, src] = ip[0]! >>> 4 === 4 ? [20, 12] : [40, 8]
  return `${ip[l4]}/${ip[l4 + 1]} ${ip.toString('hex', src, src * 2)} ${ip.toString('hex', l4 + 8)}`
}
