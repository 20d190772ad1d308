/** What nobody planned: a server that hangs, all that die, and the way back. */
import { SERVER_NAMES, type ServerName } from '../../lab/cast.js'
import type { SteadyResult } from '../../lab/steady-format.js'
import { until } from '../../lab/until.js'
import { isFailed, type Load } from './load.js'
import { DETECTION_MS, isHealth, lastFor, serverStatus, type Stage } from './stage.js'

/** How much later than its checks allow a state may be seen by somebody who asks over and over. */
const GRACE_MS = 1000

export async function hang(stage: Stage, name: ServerName): Promise<void> {
  const { timeline, checks, web } = stage
  await web.get(name)!.hang()
  timeline.note(`${name}: hangs (SIGSTOP)`)
  const tookMs = await until(`${name} down`, isHealth(stage, name, 'down'))
  timeline.note(`${name}: found down after ${seconds(tookMs)}`)
  const claim = `a hung server is out within ${seconds(DETECTION_MS)} (two checks that time out)`
  checks.that(claim, tookMs <= DETECTION_MS + GRACE_MS, seconds(tookMs))
  await lastFor(3000)
  await web.get(name)!.resume()
  timeline.note(`${name}: goes on (SIGCONT)`)
  await until(`${name} up`, isHealth(stage, name, 'up'))
  timeline.note(`${name}: up`)
}

export async function outage(stage: Stage, load: Load): Promise<void> {
  const { timeline, checks, web } = stage
  await Promise.all(SERVER_NAMES.map(name => web.get(name)!.kill()))
  timeline.note('every server is killed')
  const tookMs = await until('the outage', async () => {
    const states = await Promise.all(SERVER_NAMES.map(name => isHealth(stage, name, 'down')()))
    return states.every(Boolean)
  })
  const atMs = Date.now()
  timeline.note(`all found down after ${seconds(tookMs)}; the sorry server takes over`)
  await lastFor(3000)
  const then = load.results.filter(({ kind, startedMs }) => kind === 'short' && startedMs > atMs)
  const sorry = then.filter(each => !isFailed(each) && each.server === 'sorry').length
  checks.that(
    'in a full outage the sorry server answers every request',
    then.length > 0 && sorry === then.length,
    `${sorry} of ${then.length}`,
  )
}

/** One server returns first: alone it gets everything; the next ones come in by and by. */
export async function recover(stage: Stage, load: Load, version: string): Promise<void> {
  const { timeline, checks, web } = stage
  const [first, ...others] = SERVER_NAMES
  await web.get(first)!.deploy(version)
  await until(`${first} up`, isHealth(stage, first, 'up'))
  timeline.note(`${first}: up, the sorry server is let go`)
  await until(`the ramp of ${first}`, isWhole(stage, first))
  await Promise.all(others.map(name => web.get(name)!.deploy(version)))
  await Promise.all(others.map(name => until(`${name} up`, isHealth(stage, name, 'up'))))
  const fromMs = Date.now()
  timeline.note(`${others.join(', ')}: up, weights grow`)
  for (const name of others) await until(`the ramp of ${name}`, isWhole(stage, name))
  const wholeMs = Date.now()
  timeline.note('every server has its whole weight')
  await lastFor(3000)
  const short = load.results.filter(({ kind }) => kind === 'short')
  const early = shareOf(short, others, fromMs, fromMs + 1000)
  const late = shareOf(short, others, wholeMs + 500, Infinity)
  checks.that(
    'servers that return begin with a small share of new connections and end with their own',
    early < 0.4 && Math.abs(late - others.length / SERVER_NAMES.length) < 0.15,
    `${percent(early)} in the first second, ${percent(late)} in the end`,
  )
}

const isWhole = (stage: Stage, name: ServerName) => async () =>
  (await serverStatus(stage, name)).reasons.length === 0

function shareOf(
  results: readonly SteadyResult[],
  names: readonly string[],
  fromMs: number,
  toMs: number,
): number {
  const own = results.filter(({ startedMs }) => startedMs >= fromMs && startedMs < toMs)
  return own.filter(({ server }) => names.includes(server)).length / Math.max(1, own.length)
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
const percent = (share: number) => `${(share * 100).toFixed(0)} %`
