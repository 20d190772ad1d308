// Every tunnel with real clients and servers; the far end is in user space and checks what arrives.
import t, { type Test } from 'tap'
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import { answerDirectly, ROUTER_DEVICES, setOneWayOffload, TUNNEL_SOURCE } from '../lab/one-way.js'
import { GUE_PORT, TunnelEnd } from '../lab/tunnel-end.js'
import { datagrams, forget, pathMtu, putServices } from './one-way-stage.js'
import { setOneWayStage, upload, type OneWayStage } from './one-way-stage.js'
import { endStage } from './stage.js'

interface TunnelKind {
  title: string
  tunnel: { type: 'ipip' | 'gre' | 'gue'; port?: number; checksum?: 'checksum' | 'remote' }
  /** As the far end calls it. */
  seen: string
  /** Octets between outer IP header and inner packet. */
  headerOctets: number
}

const gue = { type: 'gue', port: GUE_PORT } as const
const KINDS: readonly TunnelKind[] = [
  { title: 'ipip', tunnel: { type: 'ipip' }, seen: 'ip', headerOctets: 0 },
  { title: 'gre', tunnel: { type: 'gre' }, seen: 'gre', headerOctets: 4 },
  {
    ...{ title: 'gre with checksum', seen: 'gre+checksum', headerOctets: 8 },
    tunnel: { type: 'gre', checksum: 'checksum' },
  },
  { title: 'gue', tunnel: gue, seen: 'gue', headerOctets: 12 },
  {
    ...{ title: 'gue with checksum', seen: 'gue+checksum', headerOctets: 12 },
    tunnel: { ...gue, checksum: 'checksum' },
  },
  {
    // A checksum that came complete goes out complete: as without the remote option.
    ...{ title: 'gue with remote checksum', seen: 'gue+checksum', headerOctets: 12 },
    tunnel: { ...gue, checksum: 'remote' },
  },
]
const OUTER_OCTETS = { ipv4: 20, ipv6: 40 } as const
const NARROW = 1400

interface Case {
  kind: TunnelKind
  inner: Family
  outer: Family
}
const CASES: Case[] = KINDS.flatMap(kind =>
  FAMILIES.flatMap(outer => FAMILIES.map(inner => ({ kind, inner, outer }))),
)
const titleOf = ({ kind, inner, outer }: Case) => `${kind.title}: ${inner} in ${outer}`
const seenAs = ({ kind, inner, outer }: Case) => `${kind.seen} ${inner.slice(3)}in${outer.slice(3)}`
const overheadOctets = ({ kind, outer }: Case) => kind.headerOctets + OUTER_OCTETS[outer]

for (const mtuOctets of [1500, 9000]) {
  t.test(`MTU ${mtuOctets}`, async t => {
    const stage = await setOneWayStage(t, { method: 'tunnel', mtuOctets })
    const [a] = stage.topology.servers.values()
    const end = await TunnelEnd.start(a!, {
      own: FAMILIES.map(family => serverAddress('a', family)),
      from: Object.values(TUNNEL_SOURCE),
      hops: 1,
    })
    await answerDirectly(stage.topology)
    for (const on of [true, false]) {
      t.test(`offload ${on ? 'on' : 'off'}`, async t => {
        await setOneWayOffload(stage.topology, on)
        const before = await segmented(stage)
        for (const one of CASES) {
          t.test(titleOf(one), t => wholeTransfer(t, stage, end, one, mtuOctets))
        }
        t.test('offload frames came in, or did not', async t => {
          t.equal((await segmented(stage)) > before, on)
        })
      })
    }
    if (mtuOctets === 1500) {
      for (const one of CASES) t.test(`narrow, ${titleOf(one)}`, t => narrow(t, stage, end, one))
    }
    endStage(t, stage)
  })
}

/** How many frames the director has had to segment. */
async function segmented({ director }: OneWayStage): Promise<number> {
  const { dataplane } = (await director.api('GET', '/v1/stats')) as {
    dataplane: { segmented: number }
  }
  return dataplane.segmented
}

/**
 * The real server by both of its addresses, one of them with weight 0. It stays, because datagrams
 * from a port that was used before belong to a connection that IPVS ends with its real server.
 */
const use = (stage: OneWayStage, { kind, inner, outer }: Case) =>
  putServices(
    stage,
    inner,
    Object.fromEntries(
      FAMILIES.map(family => [
        family,
        {
          ...{ address: serverAddress('a', family), weight: family === outer ? 1 : 0 },
          ...{ forwarding: 'tunnel', tunnel: kind.tunnel },
        },
      ]),
    ),
  )

async function wholeTransfer(
  t: Test,
  stage: OneWayStage,
  end: TunnelEnd,
  one: Case,
  mtuOctets: number,
): Promise<void> {
  const { client } = stage.topology
  await use(stage, one)
  await end.report()
  await upload(t, stage, one.inner)
  const learnt = mtuOctets - overheadOctets(one)
  t.equal(await pathMtu(client, VIP[one.inner]), learnt, 'the client was told what fits')
  const { kinds, faults, largest, fragments } = await end.report()
  t.strictSame(Object.keys(kinds), [seenAs(one)], 'nothing else arrived')
  t.strictSame(faults, [], 'every header is right')
  t.equal(largest, mtuOctets, 'packets are as large as they can be')
  t.equal(fragments, 0)
  await datagrams(t, stage, one.inner)
  t.strictSame((await end.report()).faults, [], 'every header of datagrams is right')
  await forget(client)
}

/** The router between director and real server cannot pass what the director sends. */
async function narrow(t: Test, stage: OneWayStage, end: TunnelEnd, one: Case): Promise<void> {
  const { router, client, director } = stage.topology
  const network = { ipv4: '10.0.0.0/24', ipv6: '2001:db8:2::/64 metric 256' }[one.outer]
  const route = `route change ${network} dev ${ROUTER_DEVICES.servers}`
  await use(stage, one)
  await router.ip(`${route} mtu ${NARROW}`)
  await end.report()
  await upload(t, stage, one.inner)
  const { faults, largest, fragments } = await end.report()
  t.strictSame(faults, [])
  t.ok(largest <= NARROW, `${largest} octets at most`)
  if (one.inner === 'ipv6' && one.outer === 'ipv4') {
    // Such outer packets may be cut, so the router says nothing.
    t.ok(fragments > 0, 'the router cut them')
  } else {
    t.equal(
      await pathMtu(client, VIP[one.inner]),
      NARROW - overheadOctets(one),
      'the client was told',
    )
    t.equal(fragments, 0)
  }
  await router.ip(route)
  await forget(client, director)
}
