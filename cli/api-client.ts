/**
 * The command line's way to the REST API: Node's own HTTP client, over TCP, TLS or a unix socket.
 *
 * How to authenticate, for whoever makes requests of their own: over the admin socket nothing is
 * needed; over TCP send `Authorization: Bearer $SLUICE_TOKEN`. `findApi` (find-api.ts) says which
 * address to take, `parseApi` takes it apart, `authorize` makes the header. A certificate of a CA that Node does not know: NODE_EXTRA_CA_CERTS.
 */
import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'

/** The appliance answers within seconds, or says that it cannot. */
const TIMEOUT_MS = 60_000

export type ApiAddress = { host: string; port: number; tls: boolean } | { socketPath: string }

export interface ApiAnswer {
  status: number
  body: unknown
}

/** No use in going on: nobody listens there, it is not Sluice that does, or it lets us do nothing. */
export class Unreachable extends Error {}

/** `http://host:port`, `https://host:port` or `unix:/path`; throws in words for a person. */
export function parseApi(text: string): ApiAddress {
  const expected = 'expected http://host:port, https://host:port or unix:/path'
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    if (!socketPath.startsWith('/'))
      throw new Error(`'${text}' needs an absolute path: ${expected}`)
    return { socketPath }
  }
  const url = URL.canParse(text) ? new URL(text) : null
  const tls = url?.protocol === 'https:'
  if (url === null || (!tls && url.protocol !== 'http:') || url.hostname === '')
    throw new Error(`'${text}' is not the address of an API: ${expected}`)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new Error(`'${text}' has more than a host and a port: ${expected}`)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(url.port || (tls ? 443 : 80)), tls }
}

class Denied extends Unreachable {
  constructor(name: string, body: unknown) {
    const { detail = '' } = (body ?? {}) as { detail?: string }
    super(
      `the API at ${name} does not let us in: ${detail} Put a token into SLUICE_TOKEN, or use the ` +
        'admin socket as its owner.',
    )
  }
}

/** The header that says who asks; none without a token. */
export const authorize = (token: string | undefined): Record<string, string> =>
  token ? { authorization: `Bearer ${token}` } : {}

export class ApiClient {
  readonly #address: ApiAddress
  readonly #name: string
  readonly #token: string | undefined
  readonly #agent: Agent

  /** `token` is shown with every request, if there is one. */
  constructor(address: ApiAddress, token?: string) {
    this.#address = address
    this.#name = nameOf(address)
    this.#token = token
    // One connection for all requests of a run: a restore makes thousands.
    const options = { keepAlive: true, maxSockets: 1 }
    this.#agent = isSecure(address) ? new SecureAgent(options) : new Agent(options)
  }

  /** The answer whatever its status but 401; rejects with Unreachable when there is none. */
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
        ...authorize(this.#token),
        ...headers,
      },
    }
    try {
      const answer = await send(options, content, isSecure(this.#address))
      if (answer.status === 401) throw new Denied(this.#name, parse(answer.text))
      return { status: answer.status, body: parse(answer.text) }
    } catch (error) {
      if (error instanceof Denied) throw error
      const reason = error instanceof Error ? reasonOf(error) : String(error)
      throw new Unreachable(`cannot reach the API at ${this.#name}: ${reason}`, { cause: error })
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

const isSecure = (address: ApiAddress): boolean => 'tls' in address && address.tls

function nameOf(address: ApiAddress): string {
  if ('socketPath' in address) return `unix:${address.socketPath}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${address.tls ? 'https' : 'http'}://${host}:${address.port}`
}

function send(
  options: RequestOptions,
  content: Buffer | null,
  secure: boolean,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = (secure ? secureRequest : request)(options, (response: IncomingMessage) => {
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
