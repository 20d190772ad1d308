/**
 * Calls the REST API, on each connection one call after another: `api-caller.js FILE` (an order,
 * lab/api-order.ts), because starting curl a thousand times would be what is measured. Prints
 * "calling", then a report as JSON. An answer outside 200 to 299 ends it with what it said.
 */
import { readFileSync } from 'node:fs'
import { Agent, request, type IncomingMessage } from 'node:http'
import type { ApiCall, ApiOrder, ApiReport } from '../api-order.js'

interface Page {
  items?: unknown[]
  nextCursor?: string | null
}

const order = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ApiOrder
const clients = order.clients ?? 1
const agent = new Agent({ keepAlive: true, maxSockets: clients })
const report: ApiReport = { ms: [], items: 0, elapsedS: 0 }
const begin = performance.now()

process.stdout.write('calling\n')
await Promise.all(Array.from({ length: clients }, (_, client) => callAll(client)))
report.elapsedS = elapsedS()
agent.destroy()
process.stdout.write(`${JSON.stringify(report)}\n`)

async function callAll(client: number): Promise<void> {
  const calls = order.calls.filter((_, i) => i % clients === client)
  const everyMs = order.perSecond === undefined ? 0 : (clients * 1000) / order.perSecond
  // Connections begin one after the other, so that calls come evenly.
  let dueMs = begin + (everyMs * client) / clients
  do {
    for (const each of calls) {
      const earlyMs = dueMs - performance.now()
      if (everyMs > 0 && earlyMs > 0) await breathe(earlyMs)
      dueMs += everyMs
      let path: string | null = each.path
      while (path !== null) {
        const page = await timed({ ...each, path })
        report.items += page.items?.length ?? 0
        path = order.pages === true ? following(each.path, page.nextCursor) : null
        if (order.pauseMs !== undefined) await breathe(order.pauseMs)
      }
    }
  } while (order.seconds !== undefined && elapsedS() < order.seconds)
}

function elapsedS(): number {
  return (performance.now() - begin) / 1000
}

function following(path: string, cursor: string | null | undefined): string | null {
  if (cursor === null || cursor === undefined) return null
  return `${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`
}

async function timed(call: ApiCall): Promise<Page> {
  const start = performance.now()
  const page = await ask(call)
  report.ms.push(performance.now() - start)
  return page
}

function ask({ method, path, body, type: sent }: ApiCall): Promise<Page> {
  const headers = {
    ...(body === undefined ? {} : { 'content-type': sent ?? 'application/json' }),
    ...(order.accept === undefined ? {} : { accept: order.accept }),
  }
  return new Promise((resolve, reject) => {
    const call = request(`${order.api}${path}`, { method, headers, agent }, answer => {
      const status = answer.statusCode ?? 0
      const type = answer.headers['content-type'] ?? ''
      answer.on('error', reject)
      if (type.includes('ndjson')) countLines(answer, resolve)
      else
        readText(answer, text => {
          if (status >= 200 && status < 300) resolve(text === '' ? {} : (JSON.parse(text) as Page))
          else reject(new Error(`${method} ${path}: ${status}: ${text.slice(0, 500)}`))
        })
    })
    call.on('error', reject)
    if (body === undefined) call.end()
    else call.end(sent === undefined ? JSON.stringify(body) : body)
  })
}

function readText(answer: IncomingMessage, done: (text: string) => void): void {
  let text = ''
  answer.setEncoding('utf8').on('data', (part: string) => (text += part))
  answer.on('end', () => done(text))
}

/** A stream may be larger than what fits in memory, so its lines are only counted. */
function countLines(answer: IncomingMessage, done: (page: Page) => void): void {
  answer.on('data', (part: Buffer) => {
    for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, at + 1)) report.items++
  })
  answer.on('end', () => done({}))
}

function breathe(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(() => resolve(), ms))
}
