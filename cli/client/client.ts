/** The generated client of the REST API, over whatever leads to the appliance. */
import createClient, { type Client as Generated } from 'openapi-fetch'
import type { paths, Problem } from '../../openapi/client/schema.js'
import type { ClientTls } from './certificates.js'
import { isProblem, Refused } from './refused.js'
import { Transport, type Target } from './transport.js'

/** Of several forms of an answer, JSON. */
export type Client = Generated<paths, 'application/json'>

export interface Session {
  client: Client
  /** How people know the place, for messages. */
  name: string
  /** What the generated client has no types for: text, streams, media types on request. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  close(): void
}

/** Only paths count; the transport knows the place. */
const ORIGIN = 'http://sluice'

export function connect(target: Target, token: string | null, tls: ClientTls = {}): Session {
  const transport = new Transport(target, tls)
  const headers: Record<string, string> = { 'user-agent': 'sluice-cli' }
  if (token !== null) headers.authorization = `Bearer ${token}`
  return {
    client: createClient<paths, 'application/json'>({
      baseUrl: ORIGIN,
      fetch: transport.fetch,
      headers,
    }),
    name: transport.name,
    fetch: (path, init = {}) =>
      transport.fetch(
        new Request(ORIGIN + path, { ...init, headers: { ...headers, ...headersOf(init) } }),
      ),
    close: () => transport.close(),
  }
}

const headersOf = ({ headers }: RequestInit) => Object.fromEntries(new Headers(headers))

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** What a good answer holds; any other is thrown as `Refused`. */
export async function must<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked
  if (response.ok) return data as T
  throw refusal(error, response)
}

/** As `must`, with the headers. */
export async function mustAnswer<T>(
  asked: Promise<Answer<T>>,
): Promise<{ data: T; response: Response }> {
  const { data, error, response } = await asked
  if (response.ok) return { data: data as T, response }
  throw refusal(error, response)
}

/** A good response of `Session.fetch`; any other is thrown as `Refused`. */
export async function mustFetch(asked: Promise<Response>): Promise<Response> {
  const response = await asked
  if (response.ok) return response
  const text = await response.text()
  let body: unknown = text
  try {
    body = JSON.parse(text)
  } catch {
    // Then it is no problem document, and says so.
  }
  throw refusal(body, response)
}

function refusal(body: unknown, response: Response): Refused {
  if (isProblem(body)) return new Refused(body)
  const problem: Problem = {
    ...{ type: 'about:blank', title: 'What answers there is not Sluice', status: response.status },
    ...{ detail: `It answered with status ${response.status}.`, instance: '', code: 'FOREIGN' },
    ...{ requestId: '', errors: [] },
  }
  return new Refused(problem)
}
