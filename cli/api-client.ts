/** The command line's way to the REST API: Node's own HTTP client, over TCP or a unix socket. */
import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http'

export const API_DEFAULT = 'http://127.0.0.1:7480'
/** The appliance answers within seconds, or says that it cannot. */
const TIMEOUT_MS = 60_000

export type ApiAddress = { host: string; port: number } | { socketPath: string }

export interface ApiAnswer {
  status: number
  body: unknown
}

/** No answer at all: nobody listens there, or it is not Sluice that does. */
export class Unreachable extends Error {}

/** `http://host:port` or `unix:/path`; throws in words for a person. */
export function parseApi(text: string): ApiAddress {
  const expected = 'expected http://host:port or unix:/path'
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    if (!socketPath.startsWith('/'))
      throw new Error(`'${text}' needs an absolute path: ${expected}`)
    return { socketPath }
  }
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.protocol !== 'http:' || url.hostname === '')
    throw new Error(`'${text}' is not the address of an API: ${expected}`)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new Error(`'${text}' has more than a host and a port: ${expected}`)
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 80) }
}

export class ApiClient {
  readonly #address: ApiAddress
  readonly #name: string
  // One connection for all requests of a run: a restore makes thousands.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(address: ApiAddress) {
    this.#address = address
    this.#name =
      'socketPath' in address
        ? `unix:${address.socketPath}`
        : `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
  }

  /** The answer whatever its status; rejects with Unreachable when there is none. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer> {
    const content = body === undefined ? null : Buffer.from(JSON.stringify(body))
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const options: RequestOptions = {
      ...this.#address,
      ...{ method, path, agent: this.#agent, timeout: TIMEOUT_MS },
      headers: {
        accept: 'application/json',
        ...(content === null ? {} : { 'content-type': type, 'content-length': content.length }),
        ...headers,
      },
    }
    try {
      const answer = await send(options, content)
      return { status: answer.status, body: parse(answer.text) }
    } catch (error) {
      const reason = error instanceof Error ? reasonOf(error) : String(error)
      throw new Unreachable(`cannot reach the API at ${this.#name}: ${reason}`, { cause: error })
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

function send(
  options: RequestOptions,
  content: Buffer | null,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(options, (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('it did not answer in time')))
    sent.on('error', reject)
    sent.end(content ?? undefined)
  })
}

function parse(text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Error('what answers there does not speak JSON')
  }
}

/** Node gathers the failures of several addresses of one name in an error without a text. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(each => (each instanceof Error ? each.message : '')).join(', ')
  return error.message
}
