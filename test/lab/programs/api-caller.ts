/**
 * Calls the REST API one call after another over one connection: `api-caller.js FILE` (an order,
 * lab/api-order.ts), because starting curl a thousand times would be what is measured. Prints
 * "calling", then a report as JSON. An answer outside 200 to 299 ends it with what it said.
 */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import type { ApiCall, ApiOrder, ApiReport } from '../api-order.js'

interface Page {
  items?: unknown[]
  nextCursor?: string | null
}

const order = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ApiOrder
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const report: ApiReport = { ms: [], items: 0, elapsedS: 0 }
const begin = performance.now()

process.stdout.write('calling\n')
do {
  for (const each of order.calls) {
    let path: string | null = each.path
    while (path !== null) {
      const page = await timed({ ...each, path })
      report.items += page.items?.length ?? 0
      path = order.pages === true ? following(each.path, page.nextCursor) : null
      if (order.pauseMs !== undefined) await breathe(order.pauseMs)
    }
  }
} while (order.seconds !== undefined && elapsedS() < order.seconds)
report.elapsedS = elapsedS()
agent.destroy()
process.stdout.write(`${JSON.stringify(report)}\n`)

function elapsedS(): number {
  return (performance.now() - begin) / 1000
}

function following(path: string, cursor: string | null | undefined): string | null {
  if (cursor === null || cursor === undefined) return null
  return `${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`
}

async function timed(call: ApiCall): Promise<Page> {
  const start = performance.now()
  const text = await ask(call)
  report.ms.push(performance.now() - start)
  return text === '' ? {} : (JSON.parse(text) as Page)
}

function ask({ method, path, body }: ApiCall): Promise<string> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const call = request(`${order.api}${path}`, { method, headers, agent }, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('error', reject).on('end', () => {
        const status = answer.statusCode ?? 0
        if (status >= 200 && status < 300) resolve(text)
        else reject(new Error(`${method} ${path}: ${status}: ${text.slice(0, 500)}`))
      })
    })
    call.on('error', reject)
    call.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function breathe(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(() => resolve(), ms))
}
