/**
 * Question: what does a connection cost, in memory and in time, with one and with ten million open?
 *
 * The table that the dataplane uses, in a process of its own for each size and family, on one
 * thread, without packets (programs/table-meter.ts). A lookup is of a connection that exists, in
 * random order; an insertion binds a real server and starts a timer; expiry runs in turns of the
 * dataplane's size. The longest turn counts as pause. All times are processor time.
 */
import { EXPIRIES_PER_TURN } from '../../dataplane/limits.js'
import { program } from '../lab/root.js'
import { must } from '../lab/run.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import type { Bound, Fact } from './sheet.js'
import { median } from './statistics.js'
import type { TableReport } from './table-report.js'
import { say } from './turns.js'

const MILLION = 1_000_000
const COUNTS = [MILLION, 10 * MILLION]
const QUICK_COUNTS = [MILLION / 10]
const FAMILIES = [4, 6]

export async function bench(options: BenchOptions): Promise<void> {
  const facts: Fact[] = []
  for (const count of options.quick ? QUICK_COUNTS : COUNTS) {
    for (const family of FAMILIES) {
      const reports: TableReport[] = []
      for (let round = 0; round < options.rounds; round++)
        reports.push(await measure(count, family))
      facts.push(...factsOf(reports))
    }
  }
  await publish({ name: 'table', claim: claim(options), facts }, options)
}

async function measure(count: number, family: number): Promise<TableReport> {
  const meter = program('table-meter', 'bench')
  const command = [process.execPath, '--expose-gc', meter, String(count), String(family)]
  const report = JSON.parse(await must(command, { deadlineMs: 300_000 })) as TableReport
  const { missing, left, lookupNs, burstNs, longestMs, longestIn, idleMs, insertsPerS } = report
  if (missing !== 0 || left !== 0)
    throw new Error(`the table lost ${missing} connections and kept ${left}`)
  say(
    `IPv${family}`,
    `${count} connections`,
    `${burstNs.toFixed(0)} ns (alone ${lookupNs.toFixed(0)}), longest pause ${longestMs.toFixed(2)} ms (${longestIn}; the machine's own ${idleMs.toFixed(2)}), ${insertsPerS.toFixed(0)}/s`,
  )
  return report
}

function factsOf(reports: readonly TableReport[]): Fact[] {
  const { count, family } = reports[0]!
  const of = (key: Exclude<keyof TableReport, 'longestIn'>) =>
    median(reports.map(report => report[key]))
  const name = (what: string) => `${what}, IPv${family}, ${count / MILLION} million`
  const fact = (
    what: string,
    value: number,
    unit: string,
    digits: number,
    target: Bound,
  ): Fact => ({
    ...{ name: name(what), value, unit, digits, target },
  })
  const memory = fact('RSS of the process', of('rssOctets') / 1e9, 'GB', 2, most(2))
  return [
    fact('memory a connection', of('octetsEach'), 'octets', 0, most(family === 4 ? 150 : 200)),
    ...(count === 10 * MILLION ? [memory] : []),
    fact('lookup, in bursts of 256 as packets come', of('burstNs'), 'ns', 0, most(100)),
    { name: name('lookup, one by one'), value: of('lookupNs'), unit: 'ns', digits: 0 },
    { name: name('two random reads, one by one'), value: of('floorNs'), unit: 'ns', digits: 0 },
    fact('insert', of('insertsPerS') / MILLION, 'million/s', 2, least(1.5)),
    fact('expire', of('expiriesPerS') / MILLION, 'million/s', 2, least(1.5)),
    fact('longest pause', of('longestMs'), 'ms', 2, most(5)),
    { name: name('longest pause without a table'), value: of('idleMs'), unit: 'ms', digits: 2 },
  ]
}

const least = (value: number): Bound => ({ side: 'least', value })
const most = (value: number): Bound => ({ side: 'most', value })

const claim = ({ rounds }: BenchOptions) =>
  `The dataplane's own connection table in one process, one thread, no packets; medians of ${rounds} runs. Lookups are of
existing connections in random order: in bursts, whose connections are touched before the first is looked up, as the dataplane
does with packets; and one by one, beside what one random read each of buckets and records costs. An insertion binds a real
server and starts a timer; memory ahead of the connections is touched by the main thread, as in the appliance. Connections expire
in turns of ${EXPIRIES_PER_TURN} timers. A pause is the longest turn (256 insertions or lookups, or one of timers). All times are
processor time of that thread, so that other load on the machine does not count; what the host of a virtual machine takes does,
so a loop that only calculates is watched, too, for ten milliseconds after each step of the main thread's and for three seconds
at the end.`
