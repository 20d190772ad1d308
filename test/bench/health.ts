/**
 * Question: what do a thousand health checks a second cost, do they delay the main thread, and how
 * long is it until a server is known to be down, next to the interval that was configured?
 *
 * Half of the checks connect (TCP), half ask for a page (HTTP), all to nginx behind a wire, each on
 * its own timer. The process runs the health engine alone, so its processor time is theirs; the
 * event loop that is measured is the main thread's, where the API would be. Detection is timed from
 * the fault to the verdict of a second set of checks, with nothing else going on.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckCommon, CheckedServer, HttpCheck } from '../../server/health/check-spec.js'
import { serverAddress } from '../lab/cast.js'
import { HealthChecker } from '../lab/health-checker.js'
import { Lab } from '../lab/lab.js'
import { startNginxServer } from '../lab/nginx-server.js'
import { HTTP_PORT, startHttp } from '../lab/real-server.js'
import { build, type Topology } from '../lab/topology.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import type { Fact } from './sheet.js'
import { median } from './statistics.js'
import { say } from './turns.js'

const CHECKS = 1000
const CORES_MOST = 0.25
const DELAY_MOST_MS = 10
const INTERVAL_MS = 200
const TIMEOUT_MS = 300
const FALL = 2
const FAULTS = 5
/**
 * Each fault follows a verdict, and by that a run, at once: the whole interval is before it, so that
 * every case is the worst. What the machine itself takes comes on top.
 */
const SLACK_MS = { median: 50, longest: 150 }

const COMMON: CheckCommon = {
  ...{ intervalMs: 1000, timeoutMs: 900, retryDelayMs: null, jitterMs: 0, rise: 1, fall: 1 },
  ...{ initialState: 'down', sourceAddress: null, targetAddress: null, targetPort: null },
  via: 'direct',
}
const QUICK = { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS, fall: FALL }
const HTTP: HttpCheck = {
  ...{ kind: 'http', method: 'GET', host: null, path: '/', headers: {}, bodyOctetsMax: 4096 },
  ...{ statuses: [{ from: 200, to: 399 }], match: null },
}

export async function bench(options: BenchOptions): Promise<void> {
  const lab = await Lab.open()
  try {
    const topology = await build(lab, { servers: 2 })
    await startNginxServer(lab, topology.servers.get('a')!)
    const facts = [
      ...(await load(lab, topology, options)),
      ...(await faults(lab, topology, options)),
    ]
    await publish({ name: 'health', claim: claim(options), facts }, options)
  } finally {
    await lab.close()
  }
}

/** The thousand. */
async function load(lab: Lab, { director }: Topology, options: BenchOptions): Promise<Fact[]> {
  const servers = Array.from({ length: CHECKS }, (_, i) =>
    checked(`s${i}`, 'a', { ...COMMON, ...(i % 2 === 0 ? { kind: 'tcp' } : HTTP) }),
  )
  const checker = new HealthChecker(lab, director, servers)
  await checker.change(`s${CHECKS - 1}`, 'up')
  // Compilation and the crowd of first runs are over after the first two intervals.
  await seconds(3)
  await checker.cost()
  const rounds = []
  for (let round = 0; round < options.rounds; round++) {
    await seconds(Math.max(options.seconds, options.quick ? 1 : 10))
    const cost = await checker.cost()
    say('health engine', `${CHECKS} checks/s`, `${cost.cores.toFixed(3)} cores`)
    rounds.push(cost)
  }
  await checker.process.stop()
  const fact = (name: string, values: number[], unit: string, digits: number) => ({
    ...{ name, value: median(values), unit, digits },
  })
  return [
    {
      ...fact(
        'checks run',
        rounds.map(({ checksPerS }) => checksPerS),
        'a second',
        0,
      ),
      target: { side: 'least', value: CHECKS * 0.98 },
    },
    {
      ...fact(
        'processor time',
        rounds.map(({ cores }) => cores),
        'cores',
        3,
      ),
      target: { side: 'most', value: CORES_MOST },
    },
    {
      ...fact(
        'event loop delay, 99th percentile',
        rounds.map(each => each.delayP99Ms),
        'ms',
        2,
      ),
      target: { side: 'most', value: DELAY_MOST_MS },
    },
    fact(
      'event loop delay, longest',
      rounds.map(each => each.delayMaxMs),
      'ms',
      2,
    ),
    fact(
      'failed checks',
      rounds.map(({ failures }) => failures),
      '',
      0,
    ),
  ]
}

/** One fault after another, each followed by its repair. */
async function faults(lab: Lab, topology: Topology, options: BenchOptions): Promise<Fact[]> {
  const { director, servers } = topology
  const host = servers.get('b')!
  const address = serverAddress('b', 'ipv4')
  const web = await startHttp('b', host)
  let second = web
  const folder = join(lab.folder, 'page')
  const page = (text: string) => writeFileSync(folder, text)
  page('all is well')
  const files = host.start(['python3', '-m', 'http.server', '-d', lab.folder, '8001'])
  await files.waitFor(/Serving/)
  const match = { kind: 'text' as const, text: 'all is well' }
  const checker = new HealthChecker(lab, director, [
    checked('b', 'b', { ...COMMON, ...QUICK, ...HTTP }),
    checked('p', 'b', { ...COMMON, ...QUICK, ...HTTP, path: '/page', match, targetPort: 8001 }),
  ])
  await checker.change('b', 'up')
  const steps: readonly [name: string, most: number, server: string, fault: Step, repair: Step][] =
    [
      [
        ...(['refused (process killed)', FALL * INTERVAL_MS, 'b'] as const),
        () => second.stop('SIGKILL'),
        async () => void (second = await startHttp('b', host)),
      ],
      [
        ...(['hung (SIGSTOP)', INTERVAL_MS + FALL * TIMEOUT_MS, 'b'] as const),
        () => second.signal('SIGSTOP'),
        () => second.signal('SIGCONT'),
      ],
      [
        ...(['blackholed (nftables drop)', INTERVAL_MS + FALL * TIMEOUT_MS, 'b'] as const),
        () =>
          host.nft(`add table ip hole; add chain ip hole in { type filter hook input priority 0; }
        add rule ip hole in ip daddr ${address} tcp dport ${HTTP_PORT} drop\n`),
        () => host.nft('delete table ip hole\n'),
      ],
      [
        ...(['wrong answer', FALL * INTERVAL_MS, 'p'] as const),
        () => page('out of order'),
        () => page('all is well'),
      ],
    ]
  const facts: Fact[] = []
  for (const [name, most, server, fault, repair] of steps) {
    const times: number[] = []
    for (let round = 0; round < (options.quick ? 1 : FAULTS); round++) {
      const begin = performance.now()
      await fault()
      await checker.change(server, 'down')
      times.push(performance.now() - begin)
      await repair()
      await checker.change(server, 'up')
    }
    say('health engine', `detected: ${name}`, `${median(times).toFixed(0)} ms`)
    facts.push(
      {
        ...{ name: `detected: ${name}, median`, value: median(times), unit: 'ms', digits: 0 },
        target: { side: 'most', value: most + SLACK_MS.median },
      },
      {
        ...{ name: `detected: ${name}, longest`, value: Math.max(...times), unit: 'ms', digits: 0 },
        target: { side: 'most', value: most + SLACK_MS.longest },
      },
    )
  }
  await checker.process.stop()
  return facts
}

type Step = () => unknown

function checked(
  name: string,
  host: 'a' | 'b',
  spec: CheckedServer['checks'][number]['spec'],
): CheckedServer {
  return {
    ...{ service: 'web', server: name, address: serverAddress(host, 'ipv4'), port: HTTP_PORT },
    ...{ protocol: 'tcp', way: { forwarding: 'masq', tunnel: null }, vip: null, required: 1 },
    checks: [{ name: spec.kind, spec, lastKnown: null }],
  }
}

const seconds = (count: number) =>
  new Promise<void>(resolve => void setTimeout(resolve, count * 1000))

const claim = ({ rounds }: BenchOptions) =>
  `${CHECKS} checks with an interval of 1 s, half TCP, half HTTP, of nginx behind a veth wire; medians of ${rounds} windows.
Processor time is that of the process with both of its threads; the event loop is the main thread's. Detection: HTTP checks
with an interval of ${INTERVAL_MS} ms, a timeout of ${TIMEOUT_MS} ms and ${FALL} failures in a row, from just before the fault to
the verdict, ${FAULTS} times each, right after a run, which is the worst moment. At most: failures times interval, or an
interval and failures times timeout where nothing answers; and ${SLACK_MS.median} ms (${SLACK_MS.longest} ms the longest) for the machine.`
