/**
 * `twos` draws at random, so what a kernel recorded is one sample: the same connections through our
 * engine, with many seeds, must make each recorded share a likely one.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { onesComplement } from '../fixtures/packets.js'
import { fromSeed } from '../fixtures/random.js'
import type { Lab, Wire } from './case.js'
import { Director } from './director.js'
import { makeDriver, serverMac } from './topology.js'

const ROOT = join(import.meta.dirname, 'kernel', 'tables')
const RUNS = 25
/** Standard deviations: 99.9 % of samples lie nearer. */
const WIDTH = 3.3
const SERVERS = [1, 2, 3, 4, 5]
const INJECTION_MS = 0.5

interface Flow {
  i: number
  rs: number | null
  frames: [Wire, string][]
  then_wait_s: number
}
type Step = Flow | { cmd: string } | { advance_s: number }
interface Table {
  lab: Lab
  setup: { cmd: string }[]
  steps: Step[]
}

const read = (name: string) =>
  JSON.parse(readFileSync(join(ROOT, `sched_twos_${name}.json`), 'utf8')) as Table

async function setUp(director: Director, { setup }: Table): Promise<void> {
  for (const { cmd } of setup) if (cmd.startsWith('ipvsadm')) await director.command(cmd)
  // The recorder's `nft` and `ip rule` commands: all TCP to this network carries mark 1.
  if (setup.some(({ cmd }) => cmd.includes('mark set 1')))
    director.addMarkRule({
      ...{ mark: 1, family: 'ipv4', destination: '172.16.0.0/16', protocol: 'tcp' },
    })
}

/** A recorded server's packet, as the server that we chose would have sent it. */
function from(server: number, frame: Buffer): Buffer {
  frame[15] = 10 + server
  frame.writeUInt16BE(0, 10)
  frame.writeUInt16BE(onesComplement(frame.subarray(0, 20)), 10)
  return frame
}

/** How many first packets each server got; under 0, how many none. */
async function play(table: Table, seed: number): Promise<number[]> {
  const random = fromSeed(seed)
  const director = new Director(table.lab, makeDriver, { random: bound => random(bound + 1) })
  await setUp(director, table)
  const counts = [0, ...SERVERS.map(() => 0)]
  for (const step of table.steps) {
    if ('cmd' in step) await director.command(step.cmd)
    else if ('advance_s' in step) director.advanceTo(director.nowMs + step.advance_s * 1000)
    else counts[flow(director, step)]!++
  }
  return counts
}

function flow(director: Director, { frames, then_wait_s: waitS }: Flow): number {
  let server = 0
  for (const [i, [wire, hex]] of frames.entries()) {
    const frame = Buffer.from(hex, 'hex')
    // Whom nobody serves, no server answers.
    if (wire === 'server' && server === 0) continue
    director.inject(wire, wire === 'server' ? from(server, frame) : frame)
    director.advanceTo(director.nowMs + INJECTION_MS)
    const reached = director.take().find(({ port }) => port === 'server')?.dmac
    if (i === 0) server = SERVERS.find(k => serverMac(k) === reached) ?? 0
  }
  director.advanceTo(director.nowMs + waitS * 1000)
  return server
}

for (const name of ['A', 'B', 'F', 'U']) {
  t.test(`twos, ${name}`, async t => {
    const table = read(name)
    const flows = table.steps.flatMap(step => ('frames' in step && 'rs' in step ? [step] : []))
    const samples: number[][] = []
    for (let seed = 1; seed <= RUNS; seed++) samples.push(await play(table, seed))
    for (const server of [0, ...SERVERS]) {
      const recorded = flows.filter(({ rs }) => (rs ?? 0) === server).length
      const counts = samples.map(each => each[server]!)
      const mean = counts.reduce((a, b) => a + b, 0) / RUNS
      const variance = counts.reduce((sum, n) => sum + (n - mean) ** 2, 0) / (RUNS - 1)
      const off = Math.abs(recorded - mean)
      const label = `server ${server}: ${recorded} recorded, ${mean.toFixed(1)} on average`
      // What never varies has to be exactly right: weight 0 gets nothing, no server means none.
      t.ok(off <= WIDTH * Math.sqrt(variance), label)
    }
  })
}
