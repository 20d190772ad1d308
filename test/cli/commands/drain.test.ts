import t from 'tap'
import { SharedConnections } from '../../../server/live/connections.js'
import { EngineDataplane } from '../../server/fixtures/engine-dataplane.js'
import { openTerminal } from './terminal.js'

const web = {
  ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'rr' },
  realServers: { a: { address: '192.168.10.11' }, b: { address: '192.168.10.12' } },
}

/** The real engine, ten connections of as many clients, and a deadline that comes when told to. */
async function begin(t: { teardown(work: () => unknown): void }) {
  const dataplane = new EngineDataplane()
  dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  let nowMs = Date.UTC(2030, 0, 1)
  const waiting: { dueMs: number; work: () => void }[] = []
  const after = (delayMs: number, work: () => void) => {
    waiting.push({ dueMs: nowMs + delayMs, work })
    return () => undefined
  }
  const connections = new SharedConnections(dataplane.memory)
  const now = () => new Date(nowMs)
  const terminal = await openTerminal(t, { dataplane, connections, now, after })
  await terminal.appliance.send('PUT', '/v1/virtual-services/web', web)
  for (let i = 1; i <= 10; i++)
    dataplane.receive({
      ...{ src: `192.0.2.${i}`, dst: '198.51.100.10' },
      tcp: { srcPort: 4000, dstPort: 80, flags: 'S' },
    })
  const pass = (seconds: number) => {
    nowMs += seconds * 1000
    for (const { dueMs, work } of waiting.splice(0)) {
      if (dueMs <= nowMs) work()
      else waiting.push({ dueMs, work })
    }
  }
  return { ...terminal, pass }
}

t.test('begin, look, cancel', async t => {
  const { run, appliance } = await begin(t)
  t.match(await run(['drain', 'web/a', '--deadline', '10m']), {
    ...{ exit: 0, err: '' },
    out: /^servers\/web\/a draining: 5 of 5 connections left, deadline 00:10:00 UTC\n$/,
  })
  t.match((await run(['get', 'servers', 'web'])).out, /a +192\.168\.10\.11:80 .*DRAINING/)
  t.match(JSON.parse((await run(['drain', 'web/a', '--status', '-o', 'json'])).out), {
    ...{ deadlineSeconds: 600, onDeadline: 'keep', status: { connections: 5 } },
  })
  t.equal(appliance.control.revision(), 1)
  t.match(await run(['drain', 'web/a', '--cancel']), {
    exit: 0,
    out: /takes new connections again/,
  })
  t.match(await run(['drain', 'web/a', '--status']), { exit: 3 })
  t.match(await run(['drain', 'web/a', '--cancel']), { exit: 3 })
})

t.test('waiting until connections have been ended', async t => {
  const { run, pass } = await begin(t)
  let looks = 0
  const seen = () => {
    if (++looks === 2) pass(90)
  }
  const args = ['drain', 'web/a', '--deadline', '90s', '--on-deadline', 'reset', '--wait']
  const ended = await run([...args, '--interval', '0.01'], { seenError: seen })
  t.equal(ended.exit, 0, ended.err)
  t.match(ended.err, /^(5 of 5 connections left.*, deadline 00:01:30 UTC\n)+/)
  t.equal(ended.out, 'servers/web/a drained: 5 connections were ended at the deadline\n')
})

t.test('a deadline that leaves connections is told by the exit status', async t => {
  const { run, pass } = await begin(t)
  let looks = 0
  const seen = () => {
    if (++looks === 2) pass(60)
  }
  const args = ['drain', 'web/a', '--deadline', '60', '--wait', '--interval', '0.01']
  t.match(await run(args, { seenError: seen }), {
    ...{ exit: 1, out: /^servers\/web\/a expired: 5 of 5 connections left/ },
  })
  const stop = new AbortController()
  const stopped = await run(['drain', 'web/b', '--wait', '--interval', '0.01'], {
    stopped: stop.signal,
    seenError: () => stop.abort(),
  })
  t.match(stopped, { exit: 0, out: /web\/b draining/ }, 'the drain goes on')
})

t.test('what is wrong', async t => {
  const { run } = await begin(t)
  t.match(await run(['drain', 'web']), { exit: 2, err: /SERVICE\/SERVER/ })
  t.match(await run(['drain', 'web/a', '--deadline', 'soon']), { exit: 2, err: /--deadline/ })
  t.match(await run(['drain', 'web/a', '--deadline', '99d']), { exit: 7, err: /deadlineSeconds/ })
  t.match(await run(['drain', 'web/a', '--on-deadline', 'kill']), { exit: 2, err: /keep, reset/ })
  t.equal((await run(['drain', 'web/x'])).exit, 3)
})
