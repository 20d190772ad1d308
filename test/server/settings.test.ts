import t from 'tap'
import { refusedKnobs } from '../../server/kernel-knobs.js'
import { OpRefused } from '../../server/dataplane-client.js'
import { startAppliance } from './fixtures/appliance.js'
import { EngineDataplane } from './fixtures/engine-dataplane.js'

const url = '/v1/settings'

/** What a 6.1 kernel has after `modprobe ip_vs`, and ipvsadm -L --timeout. */
const defaults = {
  timeouts: { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 },
  expireNodestConn: false,
  expireQuiescentTemplate: false,
  connReuseMode: 1,
  sloppyTcp: false,
  sloppySctp: false,
  natIcmpSend: false,
  scheduleIcmp: false,
  pmtuDisc: true,
  cacheBypass: false,
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
  t.match(first.json(), { ...defaults, meta: { revision: 0, uid: /^[0-9a-f-]{36}$/ } })
  t.strictSame(Object.keys(first.json<object>()), [...Object.keys(defaults), 'meta'])
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
  await before.send('PATCH', url, { natIcmpSend: true, timeouts: { tcpSeconds: 2678400 } })
  const { body } = await before.send('GET', url)
  await before.close()
  const after = await startAppliance({ file })
  t.teardown(() => after.close())
  t.equal((await after.send('GET', url)).body, body)
  t.match(after.dataplane.settings, { natIcmpSend: true, timeouts: { tcpS: 2678400 } })
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
  const answer = await a.send('PUT', url, { ...all, connReuseMode: 2, timeouts })
  t.equal(answer.statusCode, 200, answer.body)
  t.match(dataplane.ipvs.configuration(), {
    ...{ ...all, connReuseMode: 2 },
    timeouts: { tcpS: 1, tcpFinS: 2, udpS: 3 },
  })
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

t.test('every setting of the kernel is here, or refused with the reason', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const camel = (name: string) => name.replace(/_./g, match => match[1]!.toUpperCase())
  const ours = KERNEL_KNOBS.filter(name => Object.hasOwn(defaults, camel(name)))
  t.strictSame([...ours, ...refusedKnobs].sort(), [...KERNEL_KNOBS].sort())
  for (const name of KERNEL_KNOBS) {
    const known = ours.includes(name)
    for (const written of [name, camel(name), `net.ipv4.vs.${name}`]) {
      if (known && written === camel(name) && written !== name) continue
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
  t.match((await a.send('PATCH', url, { dropEntry: 1 })).json(), { code: 'NOT_SUPPORTED_YET' })
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
