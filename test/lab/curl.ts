import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import { payload, sha256 } from './payload.js'

export interface Fetched {
  /** curl's exit status: 0 fine, 7 refused, 28 timed out, 52 and 56 cut off. */
  exit: number
  status: number
  /** Which real server answered. */
  server: string
  /** Whom the real server saw. */
  client: string
  sha256: string
}

const FORMAT = '%{exitcode}\\t%{http_code}\\t%header{x-server}\\t%header{x-client}\\n'
let filesMade = 0

// Each request a connection of its own, so that each is scheduled.
const EACH = ['-sS', '-g', '-H', 'Connection: close', '--connect-timeout', '5', '-w', FORMAT]

/** Fetches `url` `times` times, `parallel` at a time, each over its own connection. */
export async function fetchMany(
  lab: Lab,
  host: Namespace,
  url: string,
  { times = 1, parallel = 1, extra = [] as readonly string[] } = {},
): Promise<Fetched[]> {
  const files = Array.from({ length: times }, () => join(lab.folder, `fetched-${++filesMade}`))
  const config = files.map(file => `url = "${url}"\noutput = "${file}"\n`).join('')
  const order =
    parallel > 1 ? ['-Z', '--parallel-immediate', '--parallel-max', String(parallel)] : []
  const { stdout } = await host.run(['curl', ...EACH, '-m', '60', ...extra, ...order, '-K', '-'], {
    input: config,
    deadlineMs: 120_000,
  })
  const lines = stdout.split('\n').filter(Boolean)
  // Lines come in the order of completion, files by number: hashes are matched as a multiset.
  const hashes = files.map(takeHash)
  return lines.map((line, i) => ({ ...parseLine(line), sha256: hashes[i] ?? '' }))
}

/** One request. */
export async function fetchOne(
  lab: Lab,
  host: Namespace,
  url: string,
  extra: readonly string[] = [],
): Promise<Fetched> {
  const [fetched] = await fetchMany(lab, host, url, { extra })
  if (!fetched) throw new Error(`curl said nothing about ${url}`)
  return fetched
}

export function parseLine(line: string): Omit<Fetched, 'sha256'> {
  const [exit = '', status = '', server = '', client = ''] = line.split('\t')
  return {
    exit: Number(exit),
    status: Number(status),
    server,
    client: client.replace('::ffff:', ''),
  }
}

/** The hash that /bytes/OCTETS and /held/OCTETS must have. */
export const bytesHash = (octets: number): string => sha256(payload(`bytes/${octets}`, octets))

/** How many of them each server answered. */
export function tally(fetched: readonly { server: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { server } of fetched) counts[server] = (counts[server] ?? 0) + 1
  return counts
}

function takeHash(file: string): string {
  try {
    return sha256(readFileSync(file))
  } catch {
    return ''
  } finally {
    rmSync(file, { force: true })
  }
}
