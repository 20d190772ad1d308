/** Changing a weight and losing a real server while requests keep coming. */
import { SERVER_NAMES, VIP } from '../lab/cast.js'
import { startHttp } from '../lab/real-server.js'
import { LiveTraffic, type Phase } from './live-traffic.js'
import { print, section, table } from './screen.js'
import { WEIGHTS, webName } from './services.js'
import { ask, type Show } from './show.js'

const PER_SECOND = 150
const SERVERS = `/v1/virtual-services/${webName('ipv4')}/real-servers`

interface Chapter {
  what: string
  weights: Readonly<Record<string, number>>
  phase: Phase
}

export async function showChanges(show: Show): Promise<void> {
  section(`A weight changes and a real server dies while ${PER_SECOND} requests a second come in`)
  const { lab, topology, servers, checks } = show
  const traffic = new LiveTraffic(lab, topology.client, `http://${VIP.ipv4}/`, PER_SECOND)
  const chapters: Chapter[] = []
  const chapter = async (what: string, weights: Record<string, number>, requests: number) =>
    chapters.push({ what, weights, phase: await traffic.phase(requests) })

  await chapter('as configured', { ...WEIGHTS }, 120)
  await ask(show, { method: 'PATCH', path: `${SERVERS}/a`, body: { weight: 1 }, lines: 1 })
  await chapter('a has weight 1', { a: 1, b: 2, c: 1 }, 120)
  const b = servers.get('b')!
  print(
    `   $ kill -9 ${b.http.pid}   (the HTTP server on b; nothing checks its health in this version)`,
  )
  await b.http.stop('SIGKILL')
  await chapter('b is dead', { a: 1, b: 2, c: 1 }, 60)
  await ask(show, { method: 'DELETE', path: `${SERVERS}/b`, lines: 1 })
  // Until the call was answered, and one more that may have been under way, b was still asked.
  await traffic.phase(1)
  await chapter('b is taken out', { a: 1, c: 1 }, 120)
  await traffic.stop()

  report(chapters)
  checks.that('a new weight holds from the next connection on', agrees(chapters[1]!))
  const [before, changed, dead, after] = chapters.map(({ phase }) => phase.failed)
  checks.that('nobody noticed the change of weight', before === 0 && changed === 0)
  checks.that(
    'only requests sent to the dead server failed',
    deadShareFailed(chapters[2]!),
    `${dead}`,
  )
  checks.that('none failed once it was out', after === 0, `${after}`)
  servers.set('b', { ...b, http: await startHttp('b', b.host) })
}

function report(chapters: readonly Chapter[]): void {
  const head = [
    '',
    'requests',
    ...SERVER_NAMES.map(name => `${name}: served of predicted`),
    'failed',
  ]
  const rows = chapters.map(({ what, weights, phase }) => [
    what,
    String(phase.requests),
    ...SERVER_NAMES.map(
      name => `${phase.served[name] ?? 0} of ${predicted(weights, phase, name).toFixed(0)}`,
    ),
    String(phase.failed),
  ])
  print()
  table([head, ...rows])
}

const total = (weights: Readonly<Record<string, number>>) =>
  Object.values(weights).reduce((sum, weight) => sum + weight)

const predicted = (weights: Readonly<Record<string, number>>, phase: Phase, name: string) =>
  (phase.requests * (weights[name] ?? 0)) / total(weights)

/** A window over a weighted round begins and ends anywhere in it, so may be off by part of one. */
const agrees = ({ weights, phase }: Chapter) =>
  SERVER_NAMES.every(
    name => Math.abs((phase.served[name] ?? 0) - predicted(weights, phase, name)) <= 3,
  )

const deadShareFailed = ({ weights, phase }: Chapter) =>
  Math.abs(phase.failed - predicted(weights, phase, 'b')) <= 3
