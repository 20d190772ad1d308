// Virtual addresses: put on the right interface and announced, and only ours are taken off again.
import t from 'tap'
import { CLIENT_DEVICE, DIRECTOR_DEVICES, inUrl, type Family } from '../lab/cast.js'
import { Capture } from '../lab/capture.js'
import { fetchOne } from '../lab/curl.js'
import { Sluice } from '../lab/sluice.js'
import { endStage, setStage } from './stage.js'
import { httpService } from './traffic.js'

// In the client's own network, so that it asks for their hardware address itself.
const NEIGHBOUR = { ipv4: '192.0.2.100', ipv6: '2001:db8:1::100' } as const
const ANNOUNCED = {
  ipv4: { filter: 'arp', pattern: /192\.0\.2\.100.*(?:tell 192\.0\.2\.100|is-at)/ },
  ipv6: { filter: 'icmp6', pattern: /neighbor advertisement, tgt is 2001:db8:1::100/ },
} as const
const [CLIENT_SIDE] = DIRECTOR_DEVICES

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director), { servers: 1 })
const { lab, topology, director } = stage
const addressesOf = () => topology.director.must(['ip', '-brief', 'address', 'show', CLIENT_SIDE])

for (const family of ['ipv4', 'ipv6'] satisfies Family[]) {
  t.test(`${family}: found by route, announced, removed`, async t => {
    const address = NEIGHBOUR[family]
    const { filter, pattern } = ANNOUNCED[family]
    const capture = await Capture.start(topology.client, CLIENT_DEVICE, filter)
    await director.putService('web', { ...httpService(family, { a: 1 }), address })
    t.ok(await capture.waitFor(pattern), 'announced before anybody asked')
    await capture.stop()
    t.match(await addressesOf(), `${address}/`, 'on the interface')
    t.match(await fetchOne(lab, topology.client, `http://${inUrl(address)}/`), { server: 'a' })
    await director.deleteService('web')
    t.notMatch(await addressesOf(), `${address}/`, 'off again')
  })
}

t.test('an address that somebody else put there stays', async t => {
  const address = '192.0.2.101'
  await topology.director.ip(`addr add ${address}/32 dev ${CLIENT_SIDE}`)
  await director.putService('web', { ...httpService('ipv4', { a: 1 }), address })
  t.match(await fetchOne(lab, topology.client, `http://${address}/`), { server: 'a' })
  await director.deleteService('web')
  t.match(await addressesOf(), `${address}/`)
})

t.test('manageAddress false touches no address', async t => {
  const address = '192.0.2.102'
  const body = { ...httpService('ipv4', { a: 1 }), address, manageAddress: false }
  await director.api('PUT', '/v1/virtual-services/web', body)
  t.notMatch(await addressesOf(), `${address}/`)
  await director.deleteService('web')
})

endStage(t, stage)
