/**
 * Every operation with hostile requests, over TCP, to a whole appliance: it answers each, never with
 * 5xx, in problem documents where it refuses, and a refused request changes nothing.
 */
import { Agent, request } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { fromSeed, type Random } from '../fixtures/random.js'
import { startAppliance, type Appliance } from '../server/fixtures/appliance.js'
import { EngineDataplane } from '../server/fixtures/engine-dataplane.js'
import { shown } from '../server/openapi/replay.js'
import { attempt, type Attempt } from './attempt.js'
import { pick, WIRE } from './hostile.js'

/** Longer than any answer takes on a loaded machine, shorter than what anybody calls alive. */
const HANG_MS = 20_000
/** As much as a reader of an endless stream takes. */
const BODY_MAX = 4 * 1024 * 1024
/** Requests between two fresh starts: what was created is not to slow down what follows. */
const ROUND = 400

export interface Report {
  requests: number
  /** Answers by status. */
  statuses: Map<number, number>
  operations: Set<string>
}

interface Answer {
  status: number
  type: string
  text: string
}

/** Until `enough` says so; throws with the request that did it. */
export async function fuzzApi(
  seed: number,
  enough: (requests: number) => boolean,
): Promise<Report> {
  const random = fromSeed(seed)
  const report: Report = { requests: 0, statuses: new Map(), operations: new Set() }
  while (!enough(report.requests)) await round(random, report, enough)
  return report
}

async function round(random: Random, report: Report, enough: (requests: number) => boolean) {
  // Deadlines never come: nothing but requests is to change anything.
  const after = () => () => undefined
  const a = await startAppliance({ dataplane: new EngineDataplane(256), after })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    await a.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = a.app.server.address() as AddressInfo
    for (const name of ['putVirtualService', 'putMarkRule']) await prepare(a, name)
    for (let i = 0; i < ROUND && !enough(report.requests); i++) {
      // All in turn, so that a short run too has them all.
      const operation = shown[report.requests % shown.length]!
      const asked = attempt(random, operation)
      await check(a, asked, report, () => send(port, agent, asked))
      if (i % 20 === 0) await checkWire(a, port, pick(random, WIRE))
    }
  } finally {
    agent.destroy()
    a.app.server.closeAllConnections()
    await a.close()
  }
}

/** What the examples speak of exists. */
async function prepare(a: Appliance<EngineDataplane>, operationId: string): Promise<void> {
  const { method, path, parameters, requestBody } = shown.find(
    each => each.operationId === operationId,
  )!
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name) =>
    String(parameters!.find(each => each.name === name)!.example),
  )
  const made = await a.send(method, url, requestBody!.content['application/json']!.example)
  if (made.statusCode !== 201) throw new Error(`${operationId}: ${made.body}`)
}

/** All that a request can change, as the database has it. */
function stateOf({ control, database }: Appliance<EngineDataplane>): string {
  const tokens = database.prepare('SELECT * FROM token ORDER BY name').all()
  const drains = database.prepare('SELECT name, drain FROM real_server').all()
  const maintenances = database.prepare('SELECT * FROM maintenance ORDER BY name').all()
  const operations = control.operations.list({}, 1_000_000, undefined).items
  const { view } = control.config.get('full')
  return JSON.stringify([
    control.revision(),
    control.config.etag(),
    view,
    tokens,
    drains,
    maintenances,
    operations,
  ])
}

async function check(
  a: Appliance<EngineDataplane>,
  asked: Attempt,
  report: Report,
  ask: () => Promise<Answer>,
): Promise<void> {
  const before = stateOf(a)
  const fail = (what: string): never => {
    throw new Error(`request ${report.requests}: ${what}\n${described(asked)}`)
  }
  const answer = await ask().catch((error: Error) => fail(`no answer: ${error.message}`))
  const { status, type, text } = answer
  report.requests++
  report.operations.add(asked.operationId)
  report.statuses.set(status, (report.statuses.get(status) ?? 0) + 1)
  if (status >= 500) fail(`${status} ${text.slice(0, 2000)}`)
  if (status < 400 && asked.method !== 'GET') return
  if (stateOf(a) !== before) fail(`${status}, yet something changed`)
  if (status >= 400 && !type.startsWith('application/problem+json')) fail(`${status} is ${type}`)
  if (status >= 400) JSON.parse(text)
}

function send(
  port: number,
  agent: Agent,
  { method, path, headers, body }: Attempt,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, agent, method, path, timeout: HANG_MS }
    const length = body === null ? {} : { 'content-length': body.length }
    const sent = request({ ...options, headers: { ...headers, ...length } }, response => {
      const { statusCode: status = 0, headers: given } = response
      const type = given['content-type'] ?? ''
      let text = ''
      const finish = () => {
        resolve({ status, type, text })
        response.destroy()
      }
      // It has no end.
      if (type.startsWith('text/event-stream')) return finish()
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        if (text.length > BODY_MAX) finish()
      })
      response.on('end', () => resolve({ status, type, text }))
      response.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('it hangs')))
    sent.on('error', reject)
    sent.end(body ?? undefined)
  })
}

/** What is no HTTP gets an answer or a closed connection, and leaves the appliance as it was. */
async function checkWire(a: Appliance<EngineDataplane>, port: number, text: string): Promise<void> {
  const before = stateOf(a)
  const answer = await new Promise<string>((resolve, reject) => {
    let heard = ''
    const socket = connect(port, '127.0.0.1')
    const timer = setTimeout(() => socket.destroy(new Error('it hangs')), HANG_MS)
    socket.setEncoding('latin1')
    socket.on('data', (part: string) => {
      heard += part
      // An answer is enough; a stream would go on.
      socket.end()
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve(heard) : reject(error),
    )
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(heard)
    })
    socket.end(text, 'latin1')
  })
  const what = JSON.stringify(text.slice(0, 300))
  if (/^HTTP\/1\.1 5/.test(answer) && !answer.startsWith('HTTP/1.1 505'))
    throw new Error(`${what}: ${answer}`)
  if (stateOf(a) !== before) throw new Error(`${what} changed something`)
}

function described({ operationId, method, path, headers, body }: Attempt): string {
  const text = body === null ? '' : body.toString('latin1')
  const shortened = text.length > 3000 ? `${text.slice(0, 3000)}… (${text.length} octets)` : text
  return `${operationId}: ${method} ${path}\n${JSON.stringify(headers)}\n${shortened}`
}
