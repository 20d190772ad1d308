import { inUrl } from './cast.js'
import type { Namespace } from './namespace.js'

export interface WrkReport {
  requests: number
  /** Of the whole run, as wrk measured it. */
  elapsedS: number
  /** Connects, reads, writes and timeouts that failed. */
  errors: number
}

/** Asks for one small page again and again, each time over a new connection. */
export async function wrk(
  host: Namespace,
  {
    address,
    port,
    seconds,
    connections,
  }: Record<'port' | 'seconds' | 'connections', number> & {
    address: string
  },
): Promise<WrkReport> {
  const url = `http://${inUrl(address)}:${port}/`
  const amount = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`]
  const command = ['wrk', ...amount, '-H', 'Connection: close', url]
  const text = await host.must(command, { deadlineMs: (seconds + 30) * 1000 })
  const [, requests, time, unit] = /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(text) ?? []
  if (requests === undefined) throw new Error(`wrk: ${text}`)
  const errors = /Socket errors: (.*)/.exec(text)?.[1] ?? ''
  return {
    requests: Number(requests),
    elapsedS: Number(time) * { ms: 0.001, s: 1, m: 60 }[unit as 'ms' | 's' | 'm'],
    errors: [...errors.matchAll(/\d+/g)].reduce((sum, [count]) => sum + Number(count), 0),
  }
}
