import t from 'tap'
import { refusedKnobs } from '../../server/dataplane/kernel-knobs.js'
import { OpRefused } from '../../server/dataplane/dataplane-client.js'
import { startAppliance, web } from './fixtures/appliance.js'
import { EngineDataplane } from './fixtures/engine-dataplane.js'

const url = '/v1/settings'

/** What a 6.1 kernel has after `modprobe ip_vs`, and ipvsadm -L --timeout. */
const defaults = {
  timeouts: { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 },
  // ip_vs_proto_tcp.c and ip_vs_proto_sctp.c.
  stateTimeouts: {
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
  },
  expireNodestConn: false,
  expireQuiescentTemplate: false,
  connReuseMode: 1,
  sloppyTcp: false,
  sloppySctp: false,
  natIcmpSend: false,
  scheduleIcmp: false,
  pmtuDisc: true,
  cacheBypass: false,
  ...{ dropEntry: 0, dropPacket: 0, secureTcp: 0, amemthresh: 1024, amDroprate: 10 },
  ...{ lblcExpirationSeconds: 86_400, lblcrExpirationSeconds: 86_400, runEstimation: true },
  ftpPorts: [21],
  ftpForeignPort: false,
  ftpForeignServer: false,
  ftpRewriteRetransmissions: true,
  healthCheckTargets: [],
}

/** `ls /proc/sys/net/ipv4/vs` of a 6.1 kernel (with debugging), and what 6.2 and later added. */
const KERNEL_KNOBS = `
  am_droprate amemthresh backup_only cache_bypass conn_reuse_mode conntrack debug_level drop_entry
  drop_packet expire_nodest_conn expire_quiescent_template ignore_tunneled lblc_expiration
  lblcr_expiration nat_icmp_send pmtu_disc run_estimation schedule_icmp secure_tcp sloppy_sctp
  sloppy_tcp snat_reroute sync_persist_mode sync_ports sync_qlen_max sync_refresh_period
  sync_retries sync_sock_size sync_threshold sync_version
  est_cpulist est_nice conn_max conn_tab_bits conn_lfactor svc_lfactor`
  .trim()
  .split(/\s+/)

t.test('the life of the settings', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const first = await a.send('GET', url)
  t.equal(first.statusCode, 200)
  const { meta, status, ...rest } = first.json<Record<string, unknown>>()
  t.ok(meta)
  t.strictSame(rest, defaults)
  t.strictSame(status, { dropEntry: 0, dropPacket: 0, secureTcp: 0 })
  t.match(first.json(), { ...defaults, meta: { revision: 0, uid: /^[0-9a-f-]{36}$/ } })
  t.strictSame(Object.keys(first.json<object>()), [...Object.keys(defaults), 'meta', 'status'])
  t.match(a.dataplane.log[0], {
    op: 'restore',
    settings: { pmtuDisc: true, timeouts: { tcpS: 900, tcpFinS: 120, udpS: 300 } },
    markRules: [],
  })

  const same = await a.send('PUT', url, first.body)
  t.equal(same.statusCode, 200)
  t.equal(same.body, first.body)
  t.equal(same.headers['config-revision'], '0')
  t.equal(a.dataplane.log.length, 1, 'nothing to tell')

  const patch = { timeouts: { udpSeconds: 30 }, connReuseMode: 3, pmtuDisc: false }
  const patched = await a.send('PATCH', url, patch)
  t.equal(patched.statusCode, 200)
  t.equal(patched.headers['config-revision'], '1')
  t.not(patched.headers.etag, first.headers.etag)
  const timeouts = { ...defaults.timeouts, udpSeconds: 30 }
  const expected = { ...defaults, timeouts, connReuseMode: 3, pmtuDisc: false }
  t.match(patched.json(), { ...expected, meta: { revision: 1 } })
  t.match(a.dataplane.settings, {
    ...{ connReuseMode: 3, pmtuDisc: false, cacheBypass: false },
    timeouts: { tcpS: 900, tcpFinS: 120, udpS: 30 },
  })
  await a.dataplane.comeUp()
  t.match(a.dataplane.settings, { connReuseMode: 3, timeouts: { udpS: 30 } }, 'a new worker')

  const unset = await a.send('PATCH', url, { timeouts: { udpSeconds: null }, connReuseMode: null })
  t.match(unset.json(), { ...defaults, pmtuDisc: false })
  const put = await a.send('PUT', url, { sloppyTcp: true })
  t.match(put.json(), { ...defaults, sloppyTcp: true }, 'what is left out gets its default')
  const reset = await a.send('PUT', url, {})
  t.match(reset.json(), defaults)
})

t.test('they are kept', async t => {
  const file = `${t.testdir()}/sluice.db`
  const before = await startAppliance({ file })
  const changes = { ftpPorts: [], stateTimeouts: { tcp: { CLOSE: 3 } } }
  await before.send('PATCH', url, {
    natIcmpSend: true,
    timeouts: { tcpSeconds: 2678400 },
    ...changes,
  })
  const { body } = await before.send('GET', url)
  await before.close()
  const after = await startAppliance({ file })
  t.teardown(() => after.close())
  t.equal((await after.send('GET', url)).body, body)
  t.match(after.dataplane.settings, { natIcmpSend: true, timeouts: { tcpS: 2678400 }, ...changes })
})

t.test('the dataplane obeys them', async t => {
  const dataplane = new EngineDataplane()
  const a = await startAppliance({ dataplane })
  t.teardown(() => a.close())
  const all = Object.fromEntries(
    Object.entries(defaults)
      .filter(([, value]) => typeof value === 'boolean')
      .map(([name, value]) => [name, !value]),
  )
  const timeouts = { tcpSeconds: 1, tcpFinSeconds: 2, udpSeconds: 3 }
  const numbers = {
    ...{ connReuseMode: 2, dropEntry: 3, dropPacket: 1, secureTcp: 2, amemthresh: 0 },
    ...{ amDroprate: 7, ftpPorts: [2121, 21] },
  }
  const expirations = { lblcExpirationSeconds: 60, lblcrExpirationSeconds: 61 }
  const before = dataplane.ipvs.configuration()
  t.strictSame(before.stateTimeouts, defaults.stateTimeouts, 'the same defaults')
  t.strictSame(before.ftpPorts, defaults.ftpPorts)
  const stateTimeouts = { tcp: { SYN_RECV: 10 }, sctp: { 'C-WAIT': 5 } }
  const answer = await a.send('PUT', url, {
    ...all,
    ...numbers,
    ...expirations,
    timeouts,
    stateTimeouts,
  })
  t.equal(answer.statusCode, 200, answer.body)
  const { tcp, sctp } = defaults.stateTimeouts
  const complete = { tcp: { ...tcp, SYN_RECV: 10 }, udp: {}, sctp: { ...sctp, 'C-WAIT': 5 } }
  t.match(answer.json(), { ...all, ...numbers, ...expirations, stateTimeouts: complete })
  t.strictSame(dataplane.ipvs.configuration(), {
    ...{ ...all, ...numbers, lblcExpirationS: 60, lblcrExpirationS: 61 },
    timeouts: { tcpS: 1, tcpFinS: 2, udpS: 3 },
    stateTimeouts: complete,
  })
  await a.send('PATCH', url, { stateTimeouts: { tcp: { SYN_RECV: null } } })
  t.equal(dataplane.ipvs.configuration().stateTimeouts?.tcp?.['SYN_RECV'], 60, 'null: default')
  await a.send('PUT', url, {})
  t.strictSame(dataplane.ipvs.configuration(), before)
})

t.test('the status tells what the defence does', async t => {
  const dataplane = new EngineDataplane(1 << 14)
  const a = await startAppliance({ dataplane })
  t.teardown(() => a.close())
  // 8 TiB: what is available to this process is less.
  const short = { amemthresh: 2147483647, ftpPorts: [] }
  await a.send('PUT', url, { dropEntry: 1, dropPacket: 3, secureTcp: 2, ...short })
  dataplane.advance(2)
  const read = async () => (await a.send('GET', url)).json<Record<string, unknown>>()
  t.match(await read(), { dropEntry: 1, dropPacket: 3, secureTcp: 2, ftpPorts: [] })
  t.strictSame((await read()).status, { dropEntry: 2, dropPacket: 3, secureTcp: 2 })
  const written = await a.send('PATCH', url, { amemthresh: 0, status: { dropEntry: 9 } })
  t.equal(written.statusCode, 200, 'a status is ignored')
  dataplane.advance(2)
  t.strictSame((await read()).status, { dropEntry: 1, dropPacket: 3, secureTcp: 1 }, '0: never')
  t.match(await read(), { secureTcp: 2 }, 'as written')
  const body = JSON.stringify(await read())
  t.equal((await a.send('PUT', url, body)).body, body)
})

t.test('services on FTP ports are told to the host, also those that there are', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const put = (name: string, changes: object) =>
    a.send('PUT', `/v1/virtual-services/${name}`, { ...web, ...changes })
  await put('ftp', { port: 21 })
  await put('other', { port: 2121 })
  await put('datagrams', { port: 2121, protocol: 'udp' })
  const followed = () =>
    [...a.host.held.values()]
      .filter(({ ftp }) => ftp)
      .map(({ name }) => name)
      .sort()
  t.strictSame(followed(), ['ftp'])
  await a.send('PATCH', url, { ftpPorts: [2121, 2100] })
  t.strictSame(followed(), ['ftp', 'other'], '21 is IPVS’s own, with a helper or without')
  t.equal(a.host.held.size, 3)
  await put('later', { port: 2100 })
  t.strictSame(followed(), ['ftp', 'later', 'other'])
  a.dataplane.before = op => {
    if (op.op === 'batch') throw new OpRefused('EINVAL', 'no')
  }
  t.match((await a.send('PATCH', url, { ftpPorts: [] })).json(), { code: 'DATAPLANE_REFUSED' })
  t.strictSame(followed(), ['ftp', 'later', 'other'], 'taken back')
  a.dataplane.before = () => undefined
  a.host.before = () => {
    throw new Error('no')
  }
  t.match((await a.send('PATCH', url, { ftpPorts: [] })).json(), { code: 'HOST_FAILED' })
  a.host.before = () => undefined
  await a.send('PATCH', url, { ftpPorts: [] })
  t.strictSame(followed(), ['ftp'])
})

t.test('ranges and types', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const { body } = await a.send('GET', url)
  for (const [change, fault] of [
    [{ timeouts: { tcpSeconds: 0 } }, '/timeouts/tcpSeconds OUT_OF_RANGE'],
    [{ timeouts: { tcpFinSeconds: 2678401 } }, '/timeouts/tcpFinSeconds OUT_OF_RANGE'],
    [{ timeouts: { udpSeconds: '300' } }, '/timeouts/udpSeconds WRONG_TYPE'],
    [{ timeouts: { tcp: 1 } }, '/timeouts/tcp UNKNOWN_FIELD'],
    [{ timeouts: 900 }, '/timeouts WRONG_TYPE'],
    [{ connReuseMode: 4 }, '/connReuseMode OUT_OF_RANGE'],
    [{ connReuseMode: -1 }, '/connReuseMode OUT_OF_RANGE'],
    [{ connReuseMode: 1.5 }, '/connReuseMode WRONG_TYPE'],
    [{ dropEntry: 4 }, '/dropEntry OUT_OF_RANGE'],
    [{ dropPacket: true }, '/dropPacket WRONG_TYPE'],
    [{ secureTcp: -1 }, '/secureTcp OUT_OF_RANGE'],
    [{ amemthresh: 2147483648 }, '/amemthresh OUT_OF_RANGE'],
    [{ amDroprate: -1 }, '/amDroprate OUT_OF_RANGE'],
    [{ ftpPorts: 21 }, '/ftpPorts WRONG_TYPE'],
    [{ ftpPorts: [21, 0] }, '/ftpPorts/1 OUT_OF_RANGE'],
    [{ ftpPorts: [65536] }, '/ftpPorts/0 OUT_OF_RANGE'],
    [{ ftpPorts: [21, '22'] }, '/ftpPorts/1 WRONG_TYPE'],
    [{ ftpPorts: [21, 22, 21] }, '/ftpPorts/2 INVALID_VALUE'],
    [{ ftpPorts: [1, 2, 3, 4, 5, 6, 7, 8, 9] }, '/ftpPorts TOO_LONG'],
    [{ ftpForeignPort: 1 }, '/ftpForeignPort WRONG_TYPE'],
    [{ stateTimeouts: [] }, '/stateTimeouts WRONG_TYPE'],
    [{ stateTimeouts: { icmp: {} } }, '/stateTimeouts/icmp UNKNOWN_FIELD'],
    [{ stateTimeouts: { tcp: { CLOSE: 0 } } }, '/stateTimeouts/tcp/CLOSE OUT_OF_RANGE'],
    [{ stateTimeouts: { sctp: { COOKIE: 2678401 } } }, '/stateTimeouts/sctp/COOKIE OUT_OF_RANGE'],
    [{ stateTimeouts: { udp: { NONE: 1 } } }, '/stateTimeouts/udp/NONE UNKNOWN_FIELD'],
    [
      { stateTimeouts: { tcp: { ESTABLISHED: 1 } } },
      '/stateTimeouts/tcp/ESTABLISHED UNKNOWN_FIELD',
    ],
    [{ sloppyTcp: 1 }, '/sloppyTcp WRONG_TYPE'],
    [{ sloppyTpc: true }, '/sloppyTpc UNKNOWN_FIELD'],
  ] as const) {
    for (const method of ['PUT', 'PATCH']) {
      const answer = await a.send(method, url, change)
      t.equal(answer.statusCode, 422)
      const { errors } = answer.json<{ errors: { pointer: string; code: string }[] }>()
      t.strictSame(
        errors.map(({ pointer, code }) => `${pointer} ${code}`),
        [fault],
      )
    }
  }
  t.match((await a.send('PUT', url, '[]')).json(), { errors: [{ code: 'WRONG_TYPE' }] })
  t.equal((await a.send('GET', url)).body, body)
  t.equal((await a.send('DELETE', url)).statusCode, 405)
})

t.test('hints for states', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (const [stateTimeouts, hint] of [
    [{ tcp: { ESTABLISHED: 1 } }, "It is 'timeouts.tcpSeconds'."],
    [{ tcp: { FIN_WAIT: 1 } }, "It is 'timeouts.tcpFinSeconds'."],
    [{ udp: { UDP: 1 } }, "It is 'timeouts.udpSeconds'."],
    [{ tcp: { SYN_REVC: 1 } }, "Did you mean 'SYN_RECV'?"],
    [{ tcp: { timewait: 1 } }, "Did you mean 'TIME_WAIT'?"],
    [{ sctp: { C_WAIT: 1 } }, "Did you mean 'C-WAIT'?"],
  ] as const) {
    const answer = await a.send('PATCH', url, { stateTimeouts })
    t.match(answer.json(), { code: 'VALIDATION_FAILED', errors: [{ code: 'UNKNOWN_FIELD', hint }] })
  }
  const two = { stateTimeouts: { tcp: { 'X/Y': 1, CLOSE: 'x' } } }
  t.match((await a.send('PUT', url, two)).json(), {
    errors: [{ pointer: '/stateTimeouts/tcp/X~1Y' }, { pointer: '/stateTimeouts/tcp/CLOSE' }],
  })
  t.match((await a.send('PUT', url, { ftp_ports: [21] })).json(), {
    errors: [{ code: 'UNKNOWN_FIELD', hint: "Did you mean 'ftpPorts'?" }],
  })
})

t.test('every setting of the kernel is here, or refused with the reason', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const camel = (name: string) =>
    name.replace(/_./g, match => match[1]!.toUpperCase()).replace(/Expiration$/, '$&Seconds')
  const ours = KERNEL_KNOBS.filter(name => Object.hasOwn(defaults, camel(name)))
  t.strictSame([...ours, ...refusedKnobs].sort(), [...KERNEL_KNOBS].sort())
  for (const name of KERNEL_KNOBS) {
    const known = ours.includes(name)
    for (const written of [name, camel(name), `net.ipv4.vs.${name}`]) {
      if (known && written === camel(name)) continue
      const answer = await a.send('PATCH', url, { [written]: 1 })
      t.equal(answer.statusCode, 422, written)
      const [error] = answer.json<{ errors: Record<string, string>[] }>().errors
      if (known) t.match(error, { code: 'UNKNOWN_FIELD', hint: new RegExp(`'${camel(name)}'`) })
      else
        t.match(error, {
          code: /^(NOT_SUPPORTED_YET|NO_MEANING)$/,
          detail: new RegExp(
            `^The kernel's ${name} (is not supported yet|has no meaning in user s)`,
          ),
        })
    }
  }
  t.match((await a.send('PATCH', url, { syncVersion: 1 })).json(), { code: 'NOT_SUPPORTED_YET' })
  t.match((await a.send('PATCH', url, { conntrack: 1 })).json(), { code: 'VALIDATION_FAILED' })
})

t.test('conditional requests', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const etag = String((await a.send('GET', url)).headers.etag)
  const none = { 'if-none-match': etag }
  t.equal((await a.send('GET', url, undefined, none)).statusCode, 304)
  const match = { 'if-match': etag }
  t.equal((await a.send('PATCH', url, { sloppySctp: true }, match)).statusCode, 200)
  const stale = await a.send('PATCH', url, { sloppySctp: false }, match)
  t.match(stale.json(), { code: 'PRECONDITION_FAILED', detail: /revision 1/ })
  t.equal((await a.send('PUT', url, {}, { 'if-none-match': '*' })).statusCode, 412)
  t.equal((await a.send('GET', url, undefined, none)).statusCode, 200)
})

t.test('a dataplane that refuses them: taken back', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const { body } = await a.send('GET', url)
  a.dataplane.before = op => {
    if (op.op === 'batch') throw new OpRefused('EINVAL', 'no')
  }
  const answer = await a.send('PATCH', url, { sloppyTcp: true })
  t.match(answer.json(), { code: 'DATAPLANE_REFUSED' })
  t.equal((await a.send('GET', url)).body, body)
})
