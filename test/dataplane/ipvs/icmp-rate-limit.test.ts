// Golden case misc/icmp_ratelimit: six answers at once, then one for each full second of credit;
// another client has a bucket of its own.
import t from 'tap'
import { IcmpRateLimit } from '../../../dataplane/ipvs/icmp-rate-limit.js'

const PERIOD_MS = 1000

t.test('six at once, then one a second', async t => {
  const limit = new IcmpRateLimit()
  const ask = (nowMs: number, peer = 0x0a010001) => limit.allow(peer, 0, PERIOD_MS, nowMs)
  for (let i = 0; i < 6; i++) t.ok(ask(i), `answer ${i + 1}`)
  t.notOk(ask(6))
  t.notOk(ask(990), 'credit for 990 ms only')
  t.ok(ask(1000))
  t.notOk(ask(1001))
  t.ok(ask(1001, 0x0a010002), 'another client')
})

t.test('credit is capped at six answers', async t => {
  const limit = new IcmpRateLimit()
  const ask = (nowMs: number) => limit.allow(1, 2, PERIOD_MS, nowMs)
  for (let i = 0; i < 6; i++) ask(0)
  const later = 3_600_000
  let allowed = 0
  for (let i = 0; i < 20; i++) if (ask(later)) allowed++
  t.equal(allowed, 6)
})

t.test('a period of zero means no limit', async t => {
  const limit = new IcmpRateLimit()
  for (let i = 0; i < 100; i++) if (!limit.allow(1, 2, 0, 0)) t.fail('limited')
  t.pass('never limited')
})
