import type { Namespace } from './namespace.js'

/** Where the appliance listens inside the director. */
export const API = '127.0.0.1:7480'

export interface ApiAnswer {
  status: number
  body: unknown
  ms: number
}

/** One call of the REST API with curl, from inside the director, as an operator would make it. */
export async function call(
  host: Namespace,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  const command = [
    'curl',
    '-sS',
    '-g',
    '-m',
    '20',
    '-X',
    method,
    '-w',
    '\\n%{http_code} %{time_total}',
  ]
  if (body !== undefined) {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    command.push('-H', `content-type: ${type}`, '--data-binary', JSON.stringify(body))
  }
  const text = await host.must([...command, `http://${API}${path}`])
  const split = text.lastIndexOf('\n')
  const [status, seconds] = text.slice(split + 1).split(' ')
  return { status: Number(status), body: parse(text.slice(0, split)), ms: Number(seconds) * 1000 }
}

/** As `call`, but anything outside 200 to 299 is an error that quotes the answer. */
export async function mustCall(
  host: Namespace,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await call(host, method, path, body)
  if (answer.status < 200 || answer.status > 299) {
    const said = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
    throw new Error(`${method} ${path}: ${answer.status}: ${said}`)
  }
  return answer.body
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
