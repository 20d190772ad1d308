/** What the steady client is told, and what it tells: one line a request. */

/** How a request uses its connection. */
export type SteadyKind = 'short' | 'session' | 'download'

export interface SteadyOrder {
  host: string
  port: number
  /** Requests a second, each over a connection of its own. */
  shortPerSecond: number
  /** Connections that ask again and again until they are old, then a new one takes their place. */
  sessions: number
  sessionAgeMs: number
  /** Connections that are always fetching something slow. */
  downloads: number
  downloadOctets: number
  /** For one answer; a download has ten times as long. */
  deadlineMs: number
}

export interface SteadyResult {
  kind: SteadyKind
  /** Wall clock, milliseconds. */
  startedMs: number
  tookMs: number
  /** HTTP status; 0 when there was no whole answer. */
  status: number
  /** The server that said so and its version; empty without an answer. */
  server: string
  version: string
  /** Why there was no answer; empty otherwise. */
  error: string
}

const FIELDS = 7

export const formatResult = (result: SteadyResult): string =>
  [
    ...[result.kind, result.startedMs, result.tookMs.toFixed(1), result.status],
    ...[result.server || '-', result.version || '-', result.error || '-'],
  ].join(' ')

/** Throws on a line that is none of ours. */
export function parseResult(line: string): SteadyResult {
  const words = line.split(' ')
  if (words.length !== FIELDS) throw new Error(`not a result of the steady client: ${line}`)
  const [kind, startedMs, tookMs, status, server, version, error] = words
  const text = (word: string | undefined) => (word === '-' || word === undefined ? '' : word)
  return {
    kind: kind as SteadyKind,
    ...{ startedMs: Number(startedMs), tookMs: Number(tookMs), status: Number(status) },
    ...{ server: text(server), version: text(version), error: text(error) },
  }
}
