/** From checkers to the health checks of a virtual service and its real servers. */
import type { Static } from 'typebox'
import { readServer } from '../../documents/documents.js'
import type { CheckFields, CheckKind, InlineCheck } from '../../schemas/health-check-fields.js'
import { mark } from '../report.js'
import type { Timing } from './check-timing.js'
import type { Checker } from './checker.js'
import { ignore } from './ignored.js'

type Document = Static<typeof InlineCheck>
export type Checks = Readonly<Record<string, Document>>

/** keepalived.conf(5), 2.2.7. */
const INTERVAL_MS = 60_000
const TIMEOUT_MS = 5000
const RETRIES: Partial<Record<CheckKind, number>> = { dns: 3, command: 0 }
const RETRIES_OF_OTHERS = 1
const CHECKS_MAX = 16

/** By name; `outer` is what the real server says and, behind it, what its virtual server says. */
export function checksOf(checkers: readonly Checker[], outer: Timing): Checks {
  const checks: Record<string, Document> = {}
  for (const checker of checkers) {
    const urls = checker.urls.length === 0 ? [{}] : checker.urls
    for (const url of urls) {
      const check = documentOf(checker, url, { ...outer, ...checker.timing })
      const faults = faultsOf(check)
      for (const { detail } of faults) mark(checker.node.entry, 'refused', detail)
      if (Object.keys(checks).length >= CHECKS_MAX)
        ignore(checker.node, `A real server has at most ${CHECKS_MAX} checks.`)
      else if (faults.length === 0) checks[nameOf(check.kind, checks)] = check
    }
  }
  return checks
}

/** What most of the servers have, the first of those in a tie. */
export function commonOf(all: readonly Checks[]): Checks {
  const counts = new Map<string, number>()
  for (const each of all) {
    const text = JSON.stringify(each)
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  const [first] = [...counts].sort(([, a], [, b]) => b - a)
  return first === undefined ? {} : (JSON.parse(first[0]) as Checks)
}

function documentOf(checker: Checker, url: Partial<CheckFields>, timing: Timing): Document {
  const { kind, fields, sni } = checker
  const interval = timing.intervalMs ?? INTERVAL_MS
  const host = url.host ?? timing.host
  const retryDelay = timing.retryDelayMs ?? retryDelayOf(kind, interval)
  const isHttp = kind === 'http' || kind === 'https'
  if (sni !== null && host === undefined) mark(sni.entry, 'ignored', 'There is no virtualhost.')
  const name = host?.replace(/:\d+$/, '')
  return {
    kind,
    intervalMilliseconds: interval,
    timeoutMilliseconds: timing.timeoutMs ?? (kind === 'command' ? interval : TIMEOUT_MS),
    ...(retryDelay === interval ? {} : { retryDelayMilliseconds: retryDelay }),
    rise: 1,
    fall: (timing.retries ?? RETRIES[kind] ?? RETRIES_OF_OTHERS) + 1,
    ...(timing.isAlpha === true ? { initialState: 'down' } : {}),
    ...fields,
    ...url,
    ...(isHttp && host !== undefined ? { host } : {}),
    ...(sni !== null && name !== undefined ? { serverName: name } : {}),
  }
}

function retryDelayOf(kind: CheckKind, intervalMs: number): number {
  if (kind === 'dns') return intervalMs
  return kind === 'http' || kind === 'https' ? 3000 : 1000
}

/** As a client's document would be, of a server that has nothing else to be wrong. */
const faultsOf = (check: Document) =>
  readServer(
    'server',
    { address: '192.0.2.1', port: 1, healthChecks: { inline: { check } } },
    { family: 'ipv4', port: 1 },
  ).faults

function nameOf(kind: string, taken: Checks): string {
  for (let n = 1; ; n++) {
    // Two digits, so that names sort in the order of the text.
    const name = n === 1 ? kind : `${kind}-${String(n).padStart(2, '0')}`
    if (!Object.hasOwn(taken, name)) return name
  }
}
