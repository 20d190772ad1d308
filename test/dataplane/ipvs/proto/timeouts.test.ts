/** Timeouts by state: `stateTimeouts` of the settings. */
import t from 'tap'
import { ManualClock } from '../../../../dataplane/clock.js'
import { Control } from '../../../../dataplane/control.js'
import { LoopbackDriver } from '../../../../dataplane/driver/loopback.js'
import { Ipvs } from '../../../../dataplane/ipvs/ipvs.js'
import { NetworkTable } from '../../../../dataplane/net/network-table.js'
import type { SettingsConfig, StateTimeouts } from '../../../../dataplane/protocol.js'
import { allocate } from '../../../../dataplane/shared/memory.js'
import { buildBytes } from '../../../fixtures/packets.js'
import { Director } from '../../../golden/director.js'
import { makeDriver } from '../../../golden/topology.js'

function setup() {
  const port = { name: 'eth0', ifIndex: 2, mac: Uint8Array.of(2, 0, 0, 0, 0, 1), mtuOctets: 1500 }
  const driver = new LoopbackDriver([port])
  const clock = new ManualClock()
  const ipvs = new Ipvs({ driver, network: new NetworkTable(driver), clock, memory: allocate(64) })
  const control = new Control({ ipvs, driver, nowMs: () => clock.now(), onStop: () => {} })
  const set = (change: Partial<SettingsConfig>) =>
    control.answer({ id: 1, op: 'setSettings', settings: { ...ipvs.configuration(), ...change } })
  return { ipvs, set }
}

/** Semantics 5.1 to 5.3, without what `ipvsadm --set` sets. */
const DEFAULTS = {
  tcp: {
    ...{ NONE: 2, SYN_SENT: 120, SYN_RECV: 60, TIME_WAIT: 120, CLOSE: 10, CLOSE_WAIT: 60 },
    ...{ LAST_ACK: 30, LISTEN: 120, SYNACK: 120 },
  },
  udp: {},
  sctp: {
    ...{ NONE: 2, INIT1: 4, INIT: 61, 'C-SENT': 61, 'C-REPLIED': 61, 'C-WAIT': 61, COOKIE: 61 },
    ...{ 'C-ECHOED': 61, ESTABLISHED: 900, 'S-SENT': 61, 'S-RECEIVED': 61, 'S-ACK-SENT': 61 },
    ...{ REJECTED: 4, CLOSED: 61 },
  },
}

t.test('every state has its timeout, and those not named their default', async t => {
  const { ipvs, set } = setup()
  t.strictSame(ipvs.configuration().stateTimeouts, DEFAULTS)
  t.match(set({ stateTimeouts: { tcp: { SYN_RECV: 10 }, sctp: { INIT: 5 } } }), { ok: true })
  t.strictSame(ipvs.configuration().stateTimeouts, {
    ...{ tcp: { ...DEFAULTS.tcp, SYN_RECV: 10 }, udp: {}, sctp: { ...DEFAULTS.sctp, INIT: 5 } },
  })
  t.strictSame(ipvs.configuration().timeouts, { tcpS: 900, tcpFinS: 120, udpS: 300 })
  t.match(set({ stateTimeouts: { tcp: { CLOSE: 3 } } }), { ok: true })
  t.strictSame(ipvs.configuration().stateTimeouts?.tcp, { ...DEFAULTS.tcp, CLOSE: 3 })
  const without = ipvs.configuration()
  delete without.stateTimeouts
  ipvs.configure(without)
  t.equal(ipvs.configuration().stateTimeouts?.tcp?.['CLOSE'], 3, 'left out: left alone')
})

t.test('what is refused changes nothing', async t => {
  const { ipvs, set } = setup()
  const refused: [StateTimeouts, RegExp][] = [
    [{ tcp: { SYN_RECV: 10, HALF_OPEN: 1 } }, /tcp has no state 'HALF_OPEN'/],
    [{ tcp: { SYN_RECV: 10 }, udp: { NONE: 1 } }, /udp has no state 'NONE'/],
    [{ tcp: { SYN_RECV: 10, ESTABLISHED: 1 } }, /'timeouts\.tcpS'/],
    [{ tcp: { FIN_WAIT: 1 } }, /'timeouts\.tcpFinS'/],
    [{ udp: { UDP: 1 } }, /'timeouts\.udpS'/],
    [{ tcp: { SYN_RECV: 0 } }, /1 to 2678400/],
    [{ tcp: { SYN_RECV: 2678401 } }, /1 to 2678400/],
    [{ tcp: { SYN_RECV: 1.5 } }, /1 to 2678400/],
  ]
  for (const [stateTimeouts, detail] of refused) {
    t.match(set({ stateTimeouts, sloppyTcp: true }), { ok: false, code: 'EINVAL', detail })
  }
  t.strictSame(ipvs.configuration().stateTimeouts, DEFAULTS)
  t.notOk(ipvs.settings.sloppyTcp)
})

t.test('a connection feels it with its next packet', async t => {
  const lab = { vips: ['10.0.0.100'], vips6: [], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 }
  const director = new Director(lab, makeDriver)
  await director.command('ipvsadm -A -t 10.0.0.100:80 -s rr')
  await director.command('ipvsadm -a -t 10.0.0.100:80 -r 192.168.10.11:80 -m')
  const tcp = { srcPort: 4000, dstPort: 80, flags: 'S' }
  const syn = buildBytes({ src: '10.1.0.1', dst: '10.0.0.100', tcp })
  const expiry = async () => /TCP (\S+)/.exec((await director.command('ipvsadm -Lnc')).out)?.[1]
  director.inject('client', syn)
  t.equal(await expiry(), '01:00')
  const { ipvs } = director
  ipvs.configure({ ...ipvs.configuration(), stateTimeouts: { tcp: { SYN_RECV: 10 } } })
  t.equal(await expiry(), '01:00')
  director.inject('client', syn)
  t.equal(await expiry(), '00:10')
  director.advanceTo(11_300)
  t.equal(await expiry(), undefined)
})
