// What neighbours hear when an address arrives, as tcpdump reads it.
import { spawn } from 'node:child_process'
import t from 'tap'
import { announce } from '../../../dataplane/net/announce.js'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import { interfaceProperties } from '../../../dataplane/sys/interface.js'
import * as address from '../../../dataplane/wire/address.js'
import { Namespace, veth } from '../../fixtures/netns.js'

t.test('gratuitous ARP and unsolicited neighbour advertisements', async t => {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  veth(
    { ns: here, name: 'p0', mac: '02:00:00:00:00:01' },
    { ns: peer, name: 'q0', mac: '02:00:00:00:00:02' },
  )
  // The peer believes that somebody else has them.
  peer.ip('address add 198.51.100.9/24 dev q0')
  peer.ip('address add 2001:db8::9/64 dev q0 nodad')
  peer.ip('neigh replace 198.51.100.1 lladdr 02:00:00:00:00:77 dev q0 nud stale')
  peer.ip('neigh replace 2001:db8::1 lladdr 02:00:00:00:00:77 dev q0 nud stale')
  const filter = 'arp or (icmp6 and ip6[40] = 136 and dst host ff02::1 and src host 2001:db8::1)'
  const args = [
    'netns',
    'exec',
    peer.name,
    'tcpdump',
    '-i',
    'q0',
    '-c',
    '4',
    '-nevvl',
    '--immediate-mode',
  ]
  const tcpdump = spawn('ip', [...args, filter], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  tcpdump.stdout.on('data', (data: Buffer) => (text += data.toString()))
  await new Promise<void>(resolve =>
    tcpdump.stderr.on('data', (data: Buffer) => {
      if (data.toString().includes('listening')) resolve()
    }),
  )
  const ended = new Promise(resolve => tcpdump.once('close', resolve))
  here.enter(() => {
    const { ifIndex } = interfaceProperties(new DescriptorLedger(), 'p0')!
    const link = { ifIndex, macHigh: 0x0200, macLow: 1 }
    announce(link, address.parse('198.51.100.1')!)
    announce(link, address.parse('2001:db8::1')!)
  })
  await ended
  t.equal(text.match(/02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff.*ARP/g)?.length, 2, text)
  t.match(text, /Request who-has 198\.51\.100\.1 .*tell 198\.51\.100\.1, length 28/)
  t.equal(text.match(/02:00:00:00:00:01 > 33:33:00:00:00:01/g)?.length, 2)
  t.match(text, /hlim 255.*2001:db8::1 > ff02::1: \[icmp6 sum ok\].*neighbor advertisement/)
  t.match(text, /tgt is 2001:db8::1, Flags \[override\]/)
  t.match(text, /destination link-address option .*: 02:00:00:00:00:01/)
  const mac = (of: string) =>
    (JSON.parse(peer.ip(`-j neigh show ${of}`)) as { lladdr: string }[])[0]!.lladdr
  t.equal(mac('198.51.100.1'), '02:00:00:00:00:01', 'the peer believes it: IPv4')
  t.equal(mac('2001:db8::1'), '02:00:00:00:00:01', 'the peer believes it: IPv6')
})
