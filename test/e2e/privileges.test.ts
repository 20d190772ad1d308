// An appliance that is not given what it would like to have serves nevertheless, and says once what
// is lost.
import t from 'tap'
import { FAMILIES, inUrl, VIP } from '../lab/cast.js'
import { fetchOne } from '../lab/curl.js'
import { Sluice } from '../lab/sluice.js'
import { endStage, setStage } from './stage.js'
import { httpService } from './traffic.js'

/** CAP_SYS_ADMIN includes the first of them. */
const LESS = ['setpriv', '--bounding-set', '-bpf,-sys_nice,-sys_admin']

const stage = await setStage(t, (lab, host) => Sluice.start(lab, host, { by: LESS }), {
  servers: 1,
})
const { lab, topology, director } = stage

t.test('without CAP_BPF and CAP_SYS_NICE', async t => {
  for (const family of FAMILIES) {
    await director.putService(`web-${family}`, httpService(family, { a: 1 }))
    const { status } = await fetchOne(lab, topology.client, `http://${inUrl(VIP[family])}/`)
    t.equal(status, 200, family)
  }
  const log = director.process.stdout + director.process.stderr
  const told = (text: string) => log.split('\n').filter(line => line.includes(text)).length
  t.equal(told('without CAP_BPF: tunnelled TCP'), 1)
  t.equal(told('CAP_SYS_NICE is missing'), Number(process.env['SLUICE_WORKERS'] || 1))
  t.equal(told('"level":50'), 0, 'no errors')
})

endStage(t, stage)
