/** One HTTP/1.1 request. Redirects are answers like any other: nothing is asked elsewhere. */
import type { Socket } from 'node:net'
import type { HttpFields, TlsFields } from '../check-spec.js'
import { matcherOf, TOO_LONG } from '../pattern.js'
import { printableText } from '../printable.js'
import type { Run } from '../run.js'
import { HttpReader, type HttpHead } from './http-reader.js'
import { endpointText, type Probe } from './probe.js'
import { openStream, send } from './stream.js'

export const probeHttp: Probe<'http'> = (check, run) => probe(check, run, null)

export const probeHttps: Probe<'https'> = (check, run) => probe(check, run, check)

function probe(check: HttpFields, run: Run, tls: TlsFields | null): void {
  openStream(run, tls, socket => {
    const judge = judgeOf(check, run)
    const reader = new HttpReader({
      ...judge,
      headOnly: check.method === 'HEAD',
      bodyOctetsMax: check.bodyOctetsMax,
      onFault: (reason, detail) => run.fail(reason, detail),
    })
    let first = true
    socket.on('data', chunk => {
      if (first) run.note('receive', 'the first octets', chunk)
      first = false
      reader.push(chunk)
    })
    socket.once('end', () => reader.end())
    run.waitingFor = 'the answer'
    ask(check, run, socket, tls !== null)
  })
}

function ask(check: HttpFields, run: Run, socket: Socket, secure: boolean): void {
  const lines = [`${check.method} ${check.path} HTTP/1.1`]
  const headers: Record<string, string> = {
    Host: check.host ?? hostText(run, secure),
    'User-Agent': 'Sluice health check',
    Accept: '*/*',
    Connection: 'close',
  }
  for (const [name, value] of Object.entries(headers))
    if (!has(check.headers, name)) lines.push(`${name}: ${value}`)
  for (const [name, value] of Object.entries(check.headers)) lines.push(`${name}: ${value}`)
  // No request has a body, and some servers want to be told so (RFC 9110 section 8.6).
  if (['POST', 'PUT', 'PATCH'].includes(check.method) && !has(check.headers, 'Content-Length'))
    lines.push('Content-Length: 0')
  send(run, socket, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), `${check.method} ${check.path}`)
}

/** The default port of the scheme is left out (RFC 9110 section 7.2). */
function hostText(run: Run, secure: boolean): string {
  const { address, port } = run.target
  if (port !== (secure ? 443 : 80)) return endpointText(address, port)
  return address.includes(':') ? `[${address}]` : address
}

const has = (headers: Record<string, string>, name: string) =>
  Object.keys(headers).some(key => key.toLowerCase() === name.toLowerCase())

/** Judges the head as soon as it is there, and waits for a body only when something is looked for. */
function judgeOf(check: HttpFields, run: Run) {
  let answer = ''
  const onHead = ({ version, status, reasonPhrase }: HttpHead): boolean => {
    answer = `${status} ${printableText(reasonPhrase, 60)}`.trimEnd()
    run.note('receive', `${version} ${answer}`)
    const expected = check.statuses.some(({ from, to }) => status >= from && status <= to)
    if (!expected) run.fail('status', `The answer is ${answer}, not ${rangesText(check)}.`)
    else if (check.match === null) run.succeed(`The answer is ${answer}.`)
    run.waitingFor = 'the body'
    return !run.ended
  }
  const onBody = (body: Buffer, whole: boolean) => {
    const matcher = matcherOf(check.match!)
    const read = `${body.length} octets of the body${whole ? '' : ' that were read'}`
    run.note('receive', read, body)
    const found = matcher.matches(body)
    if (found === null) run.fail('timeout', TOO_LONG)
    else if (found) run.succeed(`The answer is ${answer}, with ${matcher.description} in its body.`)
    else run.fail('mismatch', `There is no ${matcher.description} in the ${read}.`)
  }
  return { onHead, onBody }
}

const rangesText = ({ statuses }: HttpFields) =>
  statuses.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ')
