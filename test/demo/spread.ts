/** A few hundred HTTP requests and UDP queries: who served how many, beside what weights predict. */
import { CLIENT, FAMILIES, inUrl, SERVER_NAMES, VIP, type Family } from '../lab/cast.js'
import { bytesHash, fetchMany, tally } from '../lab/curl.js'
import { askUdp } from '../lab/udp.js'
import { section, table } from './screen.js'
import { label, WEIGHTS } from './services.js'
import type { Show } from './show.js'

const REQUESTS = 240
const QUERIES = 120
const BODY_OCTETS = 20_000
const TOTAL_WEIGHT = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight)

interface Served {
  what: string
  sent: number
  counts: Record<string, number>
  predicted: Record<string, number>
  intact: number
}

export async function showSpread(show: Show): Promise<void> {
  section(
    `${REQUESTS * 2} HTTP requests and ${QUERIES * 2} UDP queries from ${CLIENT.ipv4} and ${CLIENT.ipv6}`,
  )
  const served: Served[] = []
  for (const family of FAMILIES) served.push(await http(show, family))
  for (const family of FAMILIES) served.push(await udp(show, family))
  const head = [
    '',
    'scheduler',
    ...SERVER_NAMES.map(name => `${name}: served of predicted`),
    'payloads intact',
  ]
  const rows = served.map(({ what, sent, counts, predicted, intact }) => [
    what,
    what.startsWith('HTTP') ? 'wrr 3:2:1' : 'rr',
    ...SERVER_NAMES.map(name => `${counts[name] ?? 0} of ${predicted[name]}`),
    `${intact} of ${sent}`,
  ])
  table([head, ...rows], { left: 2 })
  const right = ({ counts, predicted }: Served) =>
    SERVER_NAMES.every(name => counts[name] === predicted[name])
  show.checks.that('every real server served exactly its share', served.every(right))
  const whole = served.every(({ sent, intact }) => sent === intact)
  show.checks.that('every payload arrived whole (sha256; UDP octet by octet)', whole)
}

async function http({ lab, topology }: Show, family: Family): Promise<Served> {
  const url = `http://${inUrl(VIP[family])}/bytes/${BODY_OCTETS}`
  const fetched = await fetchMany(lab, topology.client, url, { times: REQUESTS, parallel: 16 })
  const hash = bytesHash(BODY_OCTETS)
  return {
    what: `HTTP ${label(family)}`,
    sent: REQUESTS,
    counts: tally(fetched),
    predicted: share(name => (REQUESTS * WEIGHTS[name]) / TOTAL_WEIGHT),
    intact: fetched.filter(({ exit, sha256 }) => exit === 0 && sha256 === hash).length,
  }
}

async function udp({ topology }: Show, family: Family): Promise<Served> {
  // Every tenth is larger than the link's MTU, so fragmented in both directions.
  const sizes = Array.from({ length: QUERIES }, (_, i) => (i % 10 === 9 ? 4000 : 40 + i))
  const report = await askUdp(topology.client, { address: VIP[family], port: 53, sizes })
  return {
    what: `UDP ${label(family)}`,
    sent: QUERIES,
    counts: report.servers,
    predicted: share(() => QUERIES / SERVER_NAMES.length),
    intact: report.answered - report.corrupt,
  }
}

const share = (of: (name: (typeof SERVER_NAMES)[number]) => number): Record<string, number> =>
  Object.fromEntries(SERVER_NAMES.map(name => [name, of(name)]))
