/**
 * Which of 2,000 clients a recorded kernel moved when a server of `mh` or `sh` left, came back and
 * lost its weight: the same ones. The recordings name the server of each client and count the rest.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildBytes } from '../fixtures/packets.js'
import { Director } from './director.js'
import { makeDriver, serverMac } from './topology.js'

const ROOT = join(import.meta.dirname, 'kernel', 'tables')
const CASES = ['mh_4', 'mh_8', 'mh_8_mh-fallback', 'sh_8', 'sh_8_sh-fallback']
const FLOWS = 2000
const REMOVED = 3
/** Nobody took it. */
const NONE = 0

interface Event {
  event: string
  flows_not_on_removed: number
  moved: number
  unserved: number
}
interface Map {
  map_before: number[]
  share: Record<string, number>
}
interface Table {
  lab: ConstructorParameters<typeof Director>[0]
  setup: { cmd: string }[]
  steps: ({ cmd: string } | Event | Map)[]
}

/**
 * The recording's clients. That it is these follows from the map of `sh` itself: no other one of
 * its kind gives each of 2,000 the recorded one of eight servers.
 */
const clientOf = (i: number) =>
  `10.${1 + (i % 7)}.${Math.floor(i / 7) % 256}.${1 + Math.floor(i / 1792)}`

const MACS = new globalThis.Map(Array.from({ length: 9 }, (_, k) => [serverMac(k + 1), k + 1]))

/** The number of the server that each client's datagram reaches. */
function mapOf(director: Director): number[] {
  return Array.from({ length: FLOWS }, (_, i) => {
    const udp = { srcPort: 40000, dstPort: 53 }
    director.inject('client', buildBytes({ src: clientOf(i), dst: '10.0.0.100', udp }))
    const out = director.take().find(({ port }) => port === 'server')
    return out === undefined ? NONE : (MACS.get(out.dmac) ?? NONE)
  })
}

/** Counted as the recorder did, against the map before anything happened. */
function judge(t: Test, { event, ...recorded }: Event, before: number[], now: number[]): void {
  // A server that is there again may have any client; one that is gone or weightless only had some.
  const all = event.startsWith('re-add')
  const considered = before.flatMap((server, i) => (all || server !== REMOVED ? [i] : []))
  const moved = considered.filter(i => now[i] !== before[i])
  t.match(
    recorded,
    {
      flows_not_on_removed: considered.length,
      moved: moved.length,
      unserved: now.filter(server => server === NONE).length,
    },
    event,
  )
}

for (const name of CASES) {
  t.test(name, async t => {
    const path = join(ROOT, `consist_${name}.json`)
    const { lab, setup, steps } = JSON.parse(readFileSync(path, 'utf8')) as Table
    const director = new Director(lab, makeDriver)
    const run = async (cmd: string) => t.equal((await director.command(cmd)).exit, 0, cmd)
    // The last command of the set-up is the first event's.
    for (const { cmd } of setup.slice(0, -1)) await run(cmd)
    const before = mapOf(director)
    await run(setup.at(-1)!.cmd)
    for (const step of steps) {
      if ('cmd' in step) await run(step.cmd)
      else if ('event' in step) judge(t, step, before, mapOf(director))
      else {
        t.strictSame(before, step.map_before, 'every client where the kernel had it')
        for (const [server, count] of Object.entries(step.share))
          t.equal(before.filter(k => k === Number(server)).length, count, `share of ${server}`)
      }
    }
  })
}
