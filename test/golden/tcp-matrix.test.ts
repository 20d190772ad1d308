/**
 * Every TCP state that the bench could reach, met by every segment from either side: the state
 * after it, when it expires, and what comes out (kernel/tables/tcp_matrix_*.json).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildBytes } from '../fixtures/packets.js'
import type { Lab, Wire } from './case.js'
import { Director } from './director.js'
import { recorderText } from './recorder-text.js'
import { makeDriver } from './topology.js'

interface Row {
  state: string
  before: string | null
  seg: string
  after: string | null
  expires: string | null
  out: string[]
}
interface Table {
  lab: Lab
  setup: { cmd: string }[]
  steps: Row[]
}

/** Segments that bring a connection into each state. */
const PATHS: Record<string, string[]> = {
  NONE: [],
  SYN_RECV: ['client S'],
  SR_SA: ['client S', 'server SA'],
  ESTABLISHED: ['client S', 'server SA', 'client A'],
  'CLOSE_WAIT(cFIN)': ['client S', 'server SA', 'client A', 'client FA'],
  'FIN_WAIT(sFIN)': ['client S', 'server SA', 'client A', 'server FA'],
  BOTHFIN_c_s: ['client S', 'server SA', 'client A', 'client FA', 'server FA'],
  BOTHFIN_s_c: ['client S', 'server SA', 'client A', 'server FA', 'client FA'],
  TIME_WAIT: ['client S', 'server SA', 'client A', 'client FA', 'server FA', 'client A'],
  LAST: ['client S', 'server SA', 'client A', 'server FA', 'client FA', 'server A'],
  CLOSE: ['client S', 'server SA', 'client A', 'client R'],
}
const FIRST_PORT = 5001

for (const name of ['tcp_matrix_nat', 'tcp_matrix_dr']) {
  t.test(name, async t => {
    const path = join(import.meta.dirname, 'kernel/tables', `${name}.json`)
    const table = JSON.parse(readFileSync(path, 'utf8')) as Table
    const director = new Director(table.lab, makeDriver)
    for (const { cmd } of table.setup) await director.command(cmd)
    // Replies of a directly routed server do not pass the director.
    const passes = (segment: string) => name.endsWith('nat') || segment.startsWith('client')
    t.equal(table.steps.length, name.endsWith('nat') ? 154 : 77)
    for (const [i, row] of table.steps.entries()) {
      const port = FIRST_PORT + i
      const what = `${row.state} and ${row.seg} (port ${port})`
      for (const segment of PATHS[row.state]!.filter(passes)) send(director, segment, port)
      t.equal((await lookUp(director, port))?.state ?? null, row.before, `before ${what}`)
      const seen = send(director, row.seg, port)
      t.strictSame(seen, row.out.map(withoutId), what)
      const after = await lookUp(director, port)
      t.equal(after?.state ?? null, row.after, `after ${what}`)
      const wanted = row.expires === null ? 0 : seconds(row.expires)
      const apart = Math.abs((after?.expiresS ?? 0) - wanted)
      t.ok(apart <= 1, `expiry after ${what}: ${after?.expiresS} instead of ${row.expires}`)
    }
  })
}

/** Returns what came out, in the recorder's words. */
function send(director: Director, segment: string, port: number): string[] {
  const [wire, flags] = segment.split(' ') as [Wire, string]
  const fromClient = wire === 'client'
  const ports = fromClient ? { srcPort: port, dstPort: 80 } : { srcPort: 80, dstPort: port }
  const ip = buildBytes({
    src: fromClient ? '10.1.0.1' : '192.168.10.11',
    dst: fromClient ? '10.0.0.100' : '10.1.0.1',
    df: true,
    tcp: { ...ports, seq: 1, ack: 1, window: 64240, flags: flags.replace('A', '.') },
  })
  director.inject(wire, ip)
  director.advanceTo(director.nowMs + 0.5)
  return director.take().map(f => withoutId(`${f.port} ${recorderText(f.ip)}`))
}

/** The newest connection of that client port. */
async function lookUp(director: Director, port: number) {
  const { out } = await director.command('ipvsadm -Lnc')
  const rows = out.split('\n').filter(line => line.includes(` 10.1.0.1:${port} `))
  const states = rows.map(row => {
    const [, expiry, state] = row.split(/ +/)
    return { state: state!, expiresS: seconds(expiry!) }
  })
  // One that was just replaced is still listed, due at once.
  return states.find(s => s.expiresS > 0) ?? states[0]
}

function seconds(text: string): number {
  const [minutes, rest] = text.split(':')
  return Number(minutes) * 60 + Number(rest)
}

const withoutId = (text: string): string => text.replace(/ id=\d+/, '')
