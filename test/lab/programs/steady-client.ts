/**
 * A client that never rests: `steady-client.js ORDER` (JSON, lab/steady-format.ts). Short requests
 * come at a fixed rate whatever became of the ones before; sessions reuse their connection; downloads
 * take seconds. Nothing is ever asked twice. One line a request on standard output; SIGTERM lets what
 * is under way finish and ends it.
 */
import { Agent, request } from 'node:http'
import { formatResult, type SteadyKind, type SteadyOrder } from '../steady-format.js'

const order = JSON.parse(process.argv[2]!) as SteadyOrder
/** What a session leaves between two requests. */
const SESSION_PAUSE_MS = 100
const TICK_MS = 5
let over = false

interface Ask {
  kind: SteadyKind
  path: string
  agent: Agent | false
  deadlineMs: number
  octets?: number
}

const pause = (ms: number) => new Promise(resolve => void setTimeout(resolve, ms))

/** Resolves when it has ended, well or not. */
function ask({ kind, path, agent, deadlineMs, octets }: Ask): Promise<void> {
  const startedMs = Date.now()
  const began = performance.now()
  return new Promise(resolve => {
    let ended = false
    const end = (status: number, server: string, version: string, error: string) => {
      if (ended) return
      ended = true
      clearTimeout(timer)
      const tookMs = performance.now() - began
      const result = { kind, startedMs, tookMs, status, server, version, error }
      process.stdout.write(`${formatResult(result)}\n`)
      resolve()
    }
    const { host, port } = order
    const asked = request({ host, port, path, agent }, answer => {
      let read = 0
      answer.on('data', (piece: Buffer) => (read += piece.length))
      answer.on('error', (error: NodeJS.ErrnoException) => end(0, '', '', error.code ?? 'ERROR'))
      answer.on('end', () => {
        const whole = answer.complete && (octets === undefined || read === octets)
        const server = String(answer.headers['x-server'] ?? '')
        const version = String(answer.headers['x-version'] ?? '')
        if (whole) end(answer.statusCode ?? 0, server, version, '')
        else end(0, server, version, 'CUT_SHORT')
      })
    })
    const timer = setTimeout(() => {
      end(0, '', '', 'TIMEOUT')
      asked.destroy()
    }, deadlineMs)
    asked.on('error', (error: NodeJS.ErrnoException) => end(0, '', '', error.code ?? 'ERROR'))
    asked.end()
  })
}

async function shorts(): Promise<void> {
  const began = performance.now()
  const all: Promise<void>[] = []
  for (let sent = 0; !over; await pause(TICK_MS)) {
    const due = ((performance.now() - began) / 1000) * order.shortPerSecond
    for (; sent < due; sent++)
      all.push(ask({ kind: 'short', path: '/', agent: false, deadlineMs: order.deadlineMs }))
  }
  await Promise.all(all)
}

async function session(): Promise<void> {
  while (!over) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const until = performance.now() + order.sessionAgeMs
    while (!over && performance.now() < until) {
      await ask({ kind: 'session', path: '/', agent, deadlineMs: order.deadlineMs })
      await pause(SESSION_PAUSE_MS)
    }
    agent.destroy()
  }
}

async function download(): Promise<void> {
  const { downloadOctets: octets, deadlineMs } = order
  const path = '/download'
  while (!over) {
    await ask({ kind: 'download', path, agent: false, deadlineMs: 10 * deadlineMs, octets })
    // What cannot be had is not asked for as fast as it fails.
    await pause(SESSION_PAUSE_MS)
  }
}

process.on('SIGTERM', () => (over = true))
process.stdout.write('ready\n')
await Promise.all([
  shorts(),
  ...Array.from({ length: order.sessions }, session),
  ...Array.from({ length: order.downloads }, download),
])
