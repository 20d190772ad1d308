/** What the bench of the API asks of it: small calls again and again, and large ones once. */
import type { ApiCall, ApiOrder, ApiReport } from '../lab/api-order.js'
import { serverAddress } from '../lab/cast.js'
import type { BenchOptions } from './options.js'
import type { Bound } from './sheet.js'
import { percentile } from './statistics.js'

export const CLIENTS = 16
/** Services on one address. */
export const PORTS_EACH = 1000
/** The first calls open files and compile; a percentile is of the life after that. */
export const WARM_CALLS = 100
export const WRITES_PER_S = 300
export const READS_PER_S = 3000
const SERVICES = '/v1/virtual-services'

/** Something that the API is made to do, and what is expected of it. */
export interface Work {
  name: string
  order: Omit<ApiOrder, 'api'>
  unit: string
  target: Bound
  value: (report: ApiReport) => number
  /** What takes it back, so that it can be done again. */
  undo?: ApiCall
  /** Calls a second while packets pass; as it comes when absent. */
  perSecond?: number
  /** Only the same as another, more slowly: not done again while packets pass. */
  aloneOnly?: boolean
  /** Also how much memory it takes, in MiB at most. */
  growthMib?: number
}

/** Small ones, again and again. */
export function calls(seconds: number, count: number): Work[] {
  const size = `${count.toLocaleString('en')} services`
  const rate = ({ ms, elapsedS }: ApiReport) => ms.length / elapsedS
  const p99 = ({ ms }: ApiReport) =>
    percentile(ms.slice(Math.min(WARM_CALLS, ms.length >>> 1)), 0.99)
  return [
    {
      ...{ name: `one write after the other, p99, ${size}`, unit: 'ms', value: p99 },
      ...{ order: { calls: writes(1), seconds }, target: { side: 'most', value: 20 } },
      aloneOnly: true,
    },
    {
      ...{ name: `writes of ${CLIENTS} clients, ${size}`, unit: '/s', value: rate },
      order: { calls: writes(CLIENTS), clients: CLIENTS, seconds },
      ...{ perSecond: WRITES_PER_S, target: { side: 'least', value: WRITES_PER_S } },
    },
    {
      ...{ name: `reads of ${CLIENTS} clients, ${size}`, unit: '/s', value: rate },
      order: { calls: reads(), clients: CLIENTS, seconds },
      ...{ perSecond: READS_PER_S, target: { side: 'least', value: READS_PER_S } },
    },
  ]
}

/** Each client changes the weight of a server of its own, every time. */
const writes = (clients: number): ApiCall[] =>
  [2, 3].flatMap(weight =>
    Array.from({ length: clients }, (_, i) => ({
      ...{ method: 'PUT', path: `${SERVICES}/write-${i}/real-servers/a` },
      body: { address: serverAddress('a', 'ipv4'), weight },
    })),
  )

const reads = (): ApiCall[] =>
  Array.from({ length: CLIENTS }, (_, i) => ({ method: 'GET', path: `${SERVICES}/write-${i}` }))

/** Large ones, each once and then taken back. */
export function bulk({ quick }: BenchOptions): Work[] {
  const [services, lines] = quick ? [50, 1000] : [1000, 100_000]
  const seconds = ({ elapsedS }: ApiReport) => elapsedS
  const words = (number: number) => number.toLocaleString('en')
  return [
    {
      ...{ name: `changeset of ${words(services)} services of 10 real servers`, unit: 's' },
      ...{ value: seconds, target: { side: 'most', value: 3 } },
      order: { calls: [{ method: 'POST', path: '/v1/changesets', body: changeset(services) }] },
      undo: { method: 'POST', path: '/v1/changesets', body: deletions(names(services)) },
    },
    {
      ...{ name: `import of ${words(lines)} lines, applied`, unit: 's' },
      ...{ value: seconds, target: { side: 'most', value: 30 }, growthMib: 512 },
      order: {
        calls: [
          {
            ...{ method: 'POST', path: '/v1/imports?format=ipvsadm&report=none&apply=true' },
            ...{ body: saved(lines), type: 'text/plain' },
          },
        ],
      },
      undo: { method: 'POST', path: '/v1/changesets', body: deletions(savedNames(lines)) },
    },
  ]
}

const changeset = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ op: 'put', path: `${SERVICES}/bulk-${i}` },
    value: {
      ...{ protocol: 'tcp', address: '198.51.100.30', port: 10_000 + i, scheduler: 'wlc' },
      realServers: Object.fromEntries(
        Array.from({ length: 10 }, (_, s) => [`s${s}`, { address: realServer(s), port: 80 }]),
      ),
    },
  }))

const deletions = (all: readonly string[]) =>
  all.map(name => ({ op: 'delete', path: `${SERVICES}/${name}` }))

const names = (count: number) => Array.from({ length: count }, (_, i) => `bulk-${i}`)

/** As an import calls what is not there yet. */
const savedNames = (lines: number) =>
  Array.from({ length: lines / 10 }, (_, i) => `tcp-${savedService(i).replaceAll(/[.:]/g, '-')}`)

const savedService = (i: number) =>
  `198.51.100.${31 + Math.floor(i / PORTS_EACH)}:${10_000 + (i % PORTS_EACH)}`

/** Services of nine real servers each: ten lines. */
function saved(lines: number): string {
  let text = ''
  for (let i = 0; i < lines / 10; i++) {
    const service = savedService(i)
    text += `-A -t ${service} -s wlc\n`
    for (let s = 0; s < 9; s++) text += `-a -t ${service} -r ${realServer(s)}:80 -m -w 1\n`
  }
  return text
}

const realServer = (i: number) => `10.0.0.${11 + i}`
