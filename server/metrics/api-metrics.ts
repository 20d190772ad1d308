/** Requests of the API by route and status, and how long they took. */
import type { FastifyInstance } from 'fastify'
import type { Journal } from '../journal/journal.js'
import { labelsText, type Exposition, type Family } from './exposition.js'
import { Histogram } from './histogram.js'

/** Methods that a client can make up are told as one. */
const METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'])

const REQUESTS: Family = {
  name: 'sluice_api_requests',
  type: 'counter',
  help: 'Answered requests, by the pattern of the route; none: no route fits.',
}

export class ApiMetrics {
  readonly #requests = new Map<string, { labels: string; count: number }>()
  readonly #times = new Histogram(
    'sluice_api_request_duration_seconds',
    'From the head of a request to the last octet of its answer; streams are not among them.',
  )
  #underWay = 0

  /** `statusCode` 0: the client went away. */
  note(method: string, route: string | undefined, statusCode: number, tookMs: number): void {
    const known = METHODS.has(method) ? method : 'other'
    const path = route ?? 'none'
    const key = `${known} ${path} ${statusCode}`
    let entry = this.#requests.get(key)
    if (entry === undefined) {
      const labels = labelsText({ method: known, route: path, status: String(statusCode) })
      entry = { labels, count: 0 }
      this.#requests.set(key, entry)
    }
    entry.count++
    // A stream lasts as long as its reader likes.
    if (path === '/v1/events') return
    this.#times.observe(tookMs / 1000, `${known} ${path}`, { method: known, route: path })
  }

  began = (): void => void this.#underWay++
  ended = (): void => void this.#underWay--

  collect = (out: Exposition): void => {
    out.each(
      REQUESTS,
      [...this.#requests.values()].map(({ labels, count }) => [labels, count]),
    )
    this.#times.collect(out)
    const help = 'Requests that are being answered.'
    out.single({ name: 'sluice_api_requests_under_way', type: 'gauge', help }, this.#underWay)
  }
}

export function observeRequests(app: FastifyInstance, metrics: ApiMetrics): void {
  app.addHook('onRequest', (_request, reply, done) => {
    metrics.began()
    // However it ends, once.
    reply.raw.once('close', metrics.ended)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.is404 ? undefined : request.routeOptions.url
    metrics.note(request.method, route, reply.statusCode, reply.elapsedTime)
    done()
  })
}

/** Numbers of the journal: what happened since Sluice started, and who follows it. */
export function journalMetrics(journal: Journal): (out: Exposition) => void {
  return out => {
    out.each(
      {
        name: 'sluice_journal_entries',
        type: 'counter',
        help: 'Entries of the journal since the start: changes, denials, changes of state.',
      },
      Object.entries(journal.written).map(([key, count]) => {
        const [entryClass = '', outcome = ''] = key.split(' ')
        return [labelsText({ class: entryClass, outcome }), count]
      }),
    )
    out.single(
      { name: 'sluice_journal_refusals', type: 'counter', help: 'Requests refused or denied.' },
      journal.refusals,
    )
    out.single(
      { name: 'sluice_journal_last_entry', type: 'gauge', help: 'Number of the newest entry.' },
      journal.last(),
    )
    out.single(
      { name: 'sluice_journal_readers', type: 'gauge', help: 'Who follows the events.' },
      journal.readers,
    )
  }
}
