/** What the hosts around see of a service with nobody left: on the link, and in answer to SCTP. */
import type { Test } from 'tap'
import { buildBytes } from '../fixtures/packets.js'
import { Capture } from '../lab/capture.js'
import {
  CLIENT,
  CLIENT_DEVICE,
  DIRECTOR_CLIENT_SIDE,
  inUrl,
  OTHER_VIP,
  VIP,
  type Family,
} from '../lab/cast.js'
import { until } from '../lab/until.js'
import { DOWN, put, python, say, type SluiceStage } from './policy-stage.js'

/** Asks the link who has these addresses, by ARP or neighbour solicitation. */
const WHO_HAS = `
import socket, sys
device, own = sys.argv[1:3]
mac = bytes.fromhex(open(f'/sys/class/net/{device}/address').read().strip().replace(':', ''))
for target in sys.argv[3:]:
    if ':' in target:
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        octets = socket.inet_pton(socket.AF_INET6, target)
        group = 'ff02::1:ff%02x:%02x%02x' % tuple(octets[13:])
        solicitation = bytes([135]) + bytes(7) + octets + bytes([1, 1]) + mac
        s.sendto(solicitation, (group, 0, 0, socket.if_nametoindex(device)))
    else:
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind((device, 0x806))
        asked = bytes([0, 1, 8, 0, 6, 4, 0, 1]) + mac + socket.inet_aton(own)
        s.send(bytes([255] * 6) + mac + bytes([8, 6]) + asked + bytes(6) + socket.inet_aton(target))
`
/** Sends what follows an IP header, in hexadecimal. */
const RAW = `
import socket, sys
address, protocol, payload = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_RAW, protocol)
s.sendto(payload, (address, 0))
`

const TAG = 5
/** What comes back from whom: an ABORT with the INIT's own tag, or port unreachable about it. */
const ABORTED = `(ip proto 132 and ip[24:4] = ${TAG}) or (ip6 proto 132 and ip6[44:4] = ${TAG})`
const UNREACHABLE = 'icmp[0:2] = 0x0303 or (icmp6 and ip6[40:2] = 0x0104)'

/** Rejected, an INIT is aborted; where nobody is left and nothing said, it is answered as by IPVS. */
export async function sctpIsRefused(t: Test, stage: SluiceStage, family: Family): Promise<void> {
  const { client } = stage.topology
  const value = Uint8Array.from([0, 0, 0, TAG, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9])
  for (const [port, policy, answer, said] of [
    [1001, { allDown: 'reject' }, ABORTED, /\[ABORT\]/],
    [1004, {}, UNREACHABLE, /unreachable/],
  ] as const) {
    const shape = { family, port, policy, protocol: 'sctp' } as const
    await say(stage, await put(stage, `sctp-${port}`, shape), DOWN)
    const sctp = { srcPort: 33_333, dstPort: port, chunks: [{ type: 1, value }] }
    const init = buildBytes({ src: CLIENT[family], dst: VIP[family], sctp })
    const payload = Buffer.from(init.subarray(family === 'ipv4' ? 20 : 40)).toString('hex')
    const filter = `src host ${VIP[family]} and (icmp or icmp6 or ip proto 132 or ip6 proto 132)`
    const watch = await Capture.start(client, CLIENT_DEVICE, `${filter} and (${answer})`, {
      direction: 'in',
    })
    await until(`SCTP to port ${port} to be refused`, async () => {
      await client.must(python(RAW, VIP[family], '132', payload))
      return said.test(watch.text)
    })
    t.match((await watch.stop()).join('\n'), said, `${answer}, for ${JSON.stringify(policy)}`)
  }
}

/** Its address goes, also as far as the link is concerned, and comes back with an announcement. */
export async function withdrawn(t: Test, stage: SluiceStage, family: Family): Promise<void> {
  const { topology } = stage
  const address = OTHER_VIP[family]
  const shape = { family, port: 80, address, policy: { allDown: 'withdraw' } }
  const service = await put(stage, 'withdraw', shape)
  const has = async () =>
    (await topology.director.must(['ip', '-brief', 'address'])).includes(`${address}/`)
  const reach = async () => {
    const url = `http://${inUrl(address)}/`
    return (await topology.client.run(['curl', '-sSg', '-m', '2', url])).code === 0
  }
  const others = DIRECTOR_CLIENT_SIDE[family]
  const { client } = topology
  /** Asks who has it, and then for one that answers in any case; all that the link says until then. */
  const asked = async () => {
    const filter = family === 'ipv4' ? 'arp[6:2] = 2' : 'icmp6 and ip6[40] = 136'
    const watch = await Capture.start(client, CLIENT_DEVICE, filter, { direction: 'in' })
    await client.must(python(WHO_HAS, CLIENT_DEVICE, CLIENT[family], address, others))
    await watch.waitFor(new RegExp(`${others} is-at|tgt is ${others},`), 15_000)
    return (await watch.stop()).join('\n')
  }
  const own = new RegExp(`${address} is-at|tgt is ${address},`)
  t.ok((await has()) && (await reach()))
  t.match(await asked(), own, 'the link is told who has it')
  await say(stage, service, DOWN)
  await until('the address to go', async () => !(await has()))
  t.notOk(await reach())
  t.notMatch(await asked(), own, 'nobody has it')
  const announced = await Capture.start(client, CLIENT_DEVICE, ANNOUNCED[family](address), {
    direction: 'in',
  })
  await say(stage, service, { b: 'up' })
  await until('the address to come back', async () => (await has()) && (await reach()))
  const unasked = family === 'ipv4' ? /ARP/ : own
  await announced.waitFor(unasked, 15_000)
  t.match((await announced.stop()).join('\n'), unasked, 'announced unasked')
  t.match(await asked(), own, 'and told again')
}

/** Gratuitous ARP (RFC 5227) of that address, or an advertisement of it to all nodes (RFC 4861). */
const ANNOUNCED = {
  ipv4: (address: string) => `arp and arp src host ${address} and arp dst host ${address}`,
  ipv6: () => 'icmp6 and ip6[40] = 136 and dst host ff02::1',
}
