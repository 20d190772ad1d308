// VS/DR with real clients and servers: packets pass the director in one direction only, unchanged.
import t, { type Test } from 'tap'
import { CLIENT, FAMILIES, inUrl, SERVER_DEVICE, serverAddress, VIP } from '../lab/cast.js'
import { Capture } from '../lab/capture.js'
import { fetchMany, tally } from '../lab/curl.js'
import { answerDirectly, ROUTER_DEVICES, setOneWayOffload } from '../lab/one-way.js'
import { HTTP_PORT_2, UDP_PORT } from '../lab/real-server.js'
import { holdAddresses } from '../lab/tunnel-end.js'
import { askUdp } from '../lab/udp.js'
import { datagrams, download, forget, pathMtu, putServices } from './one-way-stage.js'
import { setOneWayStage, upload, type OneWayStage } from './one-way-stage.js'
import { endStage } from './stage.js'

const NARROW = 1300
type Family = (typeof FAMILIES)[number]

const realServers = (family: Family) => ({
  a: { address: serverAddress('a', family), forwarding: 'dr' },
  b: { address: serverAddress('b', family), forwarding: 'dr' },
})

for (const mtuOctets of [1500, 9000]) {
  t.test(`MTU ${mtuOctets}`, async t => {
    const stage = await setOneWayStage(t, { method: 'dr', servers: 2, mtuOctets })
    const { topology } = stage
    for (const host of topology.servers.values()) await holdAddresses(host)
    await answerDirectly(topology)
    for (const family of FAMILIES) await putServices(stage, family, realServers(family))
    for (const on of [true, false]) {
      t.test(`offload ${on ? 'on' : 'off'}`, async t => {
        await setOneWayOffload(topology, on)
        for (const family of FAMILIES) await traffic(t, stage, family)
      })
    }
    if (mtuOctets === 1500) {
      for (const family of FAMILIES) headers(t, stage, family)
      for (const family of FAMILIES) narrowPlaces(t, stage, family)
    }
    endStage(t, stage)
  })
}

async function traffic(t: Test, stage: OneWayStage, family: Family): Promise<void> {
  const { lab, topology } = stage
  const url = `http://${inUrl(VIP[family])}/`
  const fetched = await fetchMany(lab, topology.client, url, { times: 10, parallel: 5 })
  t.strictSame(tally(fetched), { a: 5, b: 5 }, `${family}: in turn`)
  t.ok(
    fetched.every(one => one.exit === 0 && one.client === CLIENT[family]),
    'servers see the client',
  )
  await upload(t, stage, family)
  await upload(t, stage, family)
  await download(t, stage, family)
  await datagrams(t, stage, family)
}

function headers(t: Test, stage: OneWayStage, family: Family): void {
  t.test(`${family}: only MAC addresses and the hop count change`, async t => {
    const { topology } = stage
    const [a] = topology.servers.values()
    const capture = await Capture.start(a!, SERVER_DEVICE, `dst host ${VIP[family]}`, {
      verbose: true,
    })
    await askUdp(topology.client, { address: VIP[family], port: UDP_PORT, sizes: [1, 1, 1, 1] })
    await capture.waitFor(new RegExp(`\\.${UDP_PORT}: `))
    const text = (await capture.stop()).join('\n')
    // 64 left the client; router and director are hops.
    t.match(text, /(ttl|hlim) 62\b/)
    t.notMatch(text, /(ttl|hlim) (?!62)/)
    t.match(text, `${CLIENT[family]}.`)
    t.notMatch(text, /bad (udp )?cksum/)
  })
}

/** The narrow place in each position, with somebody there to say so. */
function narrowPlaces(t: Test, stage: OneWayStage, family: Family): void {
  const { topology } = stage
  const { client, router, director, servers } = topology
  // The kernel's own routes to connected networks have this metric in IPv6 and none in IPv4.
  const metric = family === 'ipv6' ? ' metric 256' : ''
  const networks = {
    client: { ipv4: '192.0.2.0/24', ipv6: '2001:db8:1::/64' }[family],
    servers: { ipv4: '10.0.0.0/24', ipv6: '2001:db8:2::/64' }[family],
    vip: { ipv4: '198.51.100.0/24', ipv6: '2001:db8:f::/64' }[family],
  }
  const front = { ipv4: '203.0.113.1', ipv6: '2001:db8:3::1' }[family]

  t.test(`${family}: the router's way to the client is narrow`, async t => {
    const route = `route change ${networks.client} dev ${ROUTER_DEVICES.client}${metric}`
    await router.ip(`${route} mtu ${NARROW}`)
    // Twice: each real server has to be told, by way of the director.
    await download(t, stage, family)
    await download(t, stage, family)
    for (const [name, host] of servers)
      t.equal(await pathMtu(host, CLIENT[family]), NARROW, `${name} learnt it`)
    await router.ip(route)
    await forget(...servers.values())
  })

  t.test(`${family}: the director's way to the real servers is narrow`, async t => {
    const route = `route change ${networks.servers} dev server0${metric}`
    await director.ip(`${route} mtu ${NARROW}`)
    await upload(t, stage, family)
    t.equal(await pathMtu(client, VIP[family]), NARROW, 'the client was told')
    await director.ip(route)
    await forget(client)
  })

  t.test(`${family}: the router's way to the director is narrow`, async t => {
    const route = `route change ${networks.vip} via ${front}`
    await router.ip(`${route} mtu ${NARROW}`)
    await upload(t, stage, family)
    t.equal(await pathMtu(client, VIP[family]), NARROW, 'the client was told')
    await router.ip(route)
    await forget(client)
  })
}

t.equal(HTTP_PORT_2, 80, 'nothing maps ports here')
