/**
 * `fetch` over Node's own HTTP client. The fetch that comes with Node cannot speak over a unix
 * socket, which is where the appliance needs no token.
 */
import * as http from 'node:http'
import * as https from 'node:https'
import { Readable } from 'node:stream'
import type { ClientTls } from './certificates.js'
import { Unreachable } from './address.js'

export type Target = { socketPath: string } | { host: string; port: number; tls?: boolean }

/** The appliance answers within seconds, or says that it cannot; streams have heartbeats. */
const SILENCE_MAX_MS = 60_000
/** Bodies that these answer with would be an error (Fetch, "null body status"). */
const NO_BODY = new Set([101, 204, 205, 304])

export class Transport {
  readonly name: string
  readonly #target: Target
  readonly #agent: http.Agent

  constructor(target: Target, tls: ClientTls = {}) {
    this.#target = target
    this.name = nameOf(target)
    const options = { keepAlive: true, maxSockets: 4 }
    this.#agent = isTls(target) ? new https.Agent({ ...options, ...tls }) : new http.Agent(options)
  }

  /** As `fetch`, but rejects with Unreachable when there is no answer. The body is streamed. */
  readonly fetch = async (asked: Request): Promise<Response> => {
    const body = asked.body === null ? null : Buffer.from(await asked.arrayBuffer())
    const { pathname, search } = new URL(asked.url)
    const headers = Object.fromEntries(asked.headers)
    if (body !== null) headers['content-length'] = String(body.length)
    const options: http.RequestOptions = {
      ...('socketPath' in this.#target
        ? { socketPath: this.#target.socketPath }
        : { host: this.#target.host, port: this.#target.port }),
      ...{ method: asked.method, path: pathname + search, headers },
      ...{ agent: this.#agent, timeout: SILENCE_MAX_MS, signal: asked.signal },
    }
    try {
      return toResponse(
        await exchange(isTls(this.#target) ? https.request : http.request, options, body),
      )
    } catch (error) {
      if (asked.signal.aborted) throw error
      throw new Unreachable(`cannot reach the API at ${this.name}: ${reasonOf(error)}`, {
        cause: error,
      })
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

function exchange(
  request: typeof http.request,
  options: http.RequestOptions,
  body: Buffer | null,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(options, resolve)
    sent.on('timeout', () => sent.destroy(new Error('it did not answer in time')))
    sent.on('error', reject)
    sent.end(body ?? undefined)
  })
}

function toResponse(message: http.IncomingMessage): Response {
  const status = message.statusCode ?? 0
  const headers = new Headers()
  for (const [name, value] of Object.entries(message.headers))
    for (const each of [value ?? []].flat()) headers.append(name, each)
  if (NO_BODY.has(status)) message.resume()
  const body = NO_BODY.has(status) ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>)
  return new Response(body, { status, headers })
}

const isTls = (target: Target): boolean => 'tls' in target && target.tls === true

function nameOf(target: Target): string {
  if ('socketPath' in target) return `unix:${target.socketPath}`
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  return `${isTls(target) ? 'https' : 'http'}://${host}:${target.port}`
}

/** Node gathers the failures of several addresses of one name in an error without a text. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
