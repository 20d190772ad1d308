/**
 * `npm run bench -- [NAME…] [options]`. Each bench answers one question, which its first comment
 * states. Without a name all of them run.
 */
import { parseArgs } from 'node:util'
import type { BenchOptions } from './options.js'

interface Bench {
  claim: string
  /** Where the usual ones do not fit. */
  rounds?: number
  seconds?: number
  load: () => Promise<{ bench: (options: BenchOptions) => Promise<void> }>
}

const ROUNDS = 3
const SECONDS = 2
const QUICK_SECONDS = 1

const benches: Readonly<Record<string, Bench>> = {
  bulk: {
    claim: 'TCP bulk through NAT next to nftables DNAT, HAProxy and nginx',
    rounds: 5,
    seconds: 1,
    load: () => import('./bulk.js'),
  },
  methods: {
    claim: 'TCP bulk by direct routing and IP tunnels, next to NAT',
    load: () => import('./methods.js'),
  },
  pps: {
    claim: 'small UDP packets delivered a second, next to nftables DNAT and nginx',
    load: () => import('./pps.js'),
  },
  connect: {
    claim: 'new TCP connections a second, next to nftables DNAT, HAProxy and nginx',
    seconds: 1,
    load: () => import('./connect.js'),
  },
  latency: {
    claim: 'request and answer on an open connection, idle and at half load, next to the same',
    seconds: 1,
    load: () => import('./latency.js'),
  },
  table: {
    claim: 'memory and time that a connection costs, with 1 and 10 million open',
    load: () => import('./table.js'),
  },
  scale: {
    claim: 'packets a second through 1,000 services of 100 real servers, next to 1 service',
    load: () => import('./scale.js'),
  },
  listing: {
    claim: 'a million connections listed over the API while traffic runs',
    load: () => import('./listing.js'),
  },
  overload: {
    claim: 'twice the packets that it can take: throughput, memory, answers of the API',
    seconds: 60,
    load: () => import('./overload.js'),
  },
  workers: {
    claim: 'packets and bulk with two workers, next to one',
    load: () => import('./workers.js'),
  },
  api: {
    claim: 'writes, reads, changesets and imports over the API, alone and while packets pass',
    rounds: 2,
    load: () => import('./api.js'),
  },
  health: {
    claim: 'a thousand health checks a second, and how soon faults are found',
    load: () => import('./health.js'),
  },
  cost: {
    claim: 'where the time of the dataplane thread for a packet goes',
    rounds: 1,
    load: () => import('./cost.js'),
  },
  start: {
    claim: 'cold start until ready, with no services and with 10,000',
    load: () => import('./start.js'),
  },
}

const OPTIONS = {
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  without: { type: 'string', multiple: true, default: [] as string[] },
  'serve-args': { type: 'string', default: '' },
  help: { type: 'boolean', default: false },
} as const

const { values, positionals } = read()
const unknown = positionals.find(name => !Object.hasOwn(benches, name))
if (unknown !== undefined) stop(`there is no bench "${unknown}"\n\n${usage()}`)
if (values.help) {
  process.stdout.write(usage())
  process.exit(0)
}
for (const name of positionals.length > 0 ? positionals : Object.keys(benches)) {
  const begin = performance.now()
  try {
    const { bench } = await benches[name]!.load()
    await bench(optionsOf(benches[name]!, begin))
  } catch (error) {
    process.stderr.write(`bench ${name}: ${textOf(error)}\n`)
    process.exitCode = 1
  }
  process.stdout.write(`${name}: ${((performance.now() - begin) / 1000).toFixed(0)} s\n`)
}

function read() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS })
  } catch (error) {
    return stop(`${textOf(error)}\n\n${usage()}`)
  }
}

function optionsOf({ rounds = ROUNDS, seconds = SECONDS }: Bench, beganMs: number): BenchOptions {
  return {
    beganMs,
    rounds: positive('rounds', values.rounds) ?? (values.quick ? 1 : rounds),
    seconds: positive('seconds', values.seconds) ?? (values.quick ? QUICK_SECONDS : seconds),
    quick: values.quick,
    without: values.without.map(word => word.toLowerCase()),
    serveArgs: values['serve-args'].split(' ').filter(Boolean),
  }
}

function positive(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  return stop(`--${option} takes a whole number above 0, not "${text}"`)
}

function usage(): string {
  const known = Object.entries(benches).map(
    ([each, { claim }]) => `  ${each.padEnd(10)} ${claim}\n`,
  )
  return `npm run bench -- [NAME…] [--rounds N] [--seconds N] [--quick]
                 [--without CONTENDER]… [--serve-args "ARGUMENTS"]

${known.join('')}
  --quick        a smoke run: one short round, nothing is written
  --without      leaves a contender out, by a part of its name
  --serve-args   further arguments for "sluice serve", e.g. "--log-level warn"
`
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function stop(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}
