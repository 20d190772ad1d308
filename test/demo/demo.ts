/**
 * `npm run demo`: the whole appliance in a minute, in network namespaces that are gone afterwards.
 * Exit status 0 means that distribution, payloads and clean-up were right. `npm run demo -- day`:
 * a working day of one service, see day/.
 */
import { parseArgs } from 'node:util'
import { CLIENT, DIRECTOR_DEVICES, SERVER_NAMES, serverAddress, VIP } from '../lab/cast.js'
import { Lab } from '../lab/lab.js'
import { startServers } from '../lab/real-server.js'
import { run } from '../lab/run.js'
import { Sluice } from '../lab/sluice.js'
import { build } from '../lab/topology.js'
import { showChanges } from './changes.js'
import { Checks } from './checks.js'
import { day } from './day/day.js'
import { bold, dim, green, print, red, section, table } from './screen.js'
import { services } from './services.js'
import { ask, type Show } from './show.js'
import { showSpread } from './spread.js'
import { showStatistics } from './statistics.js'
import { checkGone, showSpeed, showTransfer } from './transfer.js'

const TOOLS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  curl: 'curl',
  iperf3: 'iperf3',
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

try {
  process.exitCode = await play(positionals, values)
} catch (error) {
  print(red(`\ndemo: ${error instanceof Error ? error.message : String(error)}`))
  process.exitCode = 1
}

function play(names: readonly string[], values: { keep: boolean; verbose: boolean }) {
  if (names.length === 0) return demo(values)
  if (names.length === 1 && names[0] === 'day') return workingDay()
  throw new Error(`there is no demo '${names.join(' ')}': npm run demo, or npm run demo -- day`)
}

async function workingDay(): Promise<number> {
  await requireTools({ ...TOOLS, nginx: 'nginx-light' })
  const lab = await Lab.open()
  const checks = new Checks()
  try {
    await day(lab, checks)
  } catch (error) {
    await lab.close()
    throw error
  }
  return clearAway(lab, checks)
}

async function demo({ keep, verbose }: { keep: boolean; verbose: boolean }): Promise<number> {
  await requireTools(TOOLS)
  const lab = await Lab.open({ lasting: keep })
  const checks = new Checks()
  try {
    const show = await raise(lab, checks, verbose)
    await configure(show)
    await showSpread(show)
    await showChanges(show)
    await showTransfer(show)
    await showStatistics(show)
    await showSpeed(show, () => restart(show))
    if (keep) return leaveRunning(show)
    section('Clearing away')
    await show.sluice.stop()
    await checkGone(show)
  } catch (error) {
    await lab.close()
    throw error
  }
  return clearAway(lab, checks)
}

async function clearAway(lab: Lab, checks: Checks): Promise<number> {
  const left = await lab.close()
  checks.that('no namespace, process or file is left', left.length === 0, left.join(' '))
  return verdict(checks)
}

async function requireTools(tools: Readonly<Record<string, string>>): Promise<void> {
  const missing: string[] = []
  for (const [tool, name] of Object.entries(tools)) {
    if ((await run(['sh', '-c', `command -v ${tool}`])).code !== 0) missing.push(name)
  }
  if (missing.length > 0) throw new Error(`missing tools: apt-get install ${missing.join(' ')}`)
}

/** Builds the lab and starts everything in it. */
async function raise(lab: Lab, checks: Checks, verbose: boolean): Promise<Show> {
  print(bold('Sluice demo') + dim('  real packets, real servers, in network namespaces'))
  section('A client, a director and three real servers')
  const topology = await build(lab)
  const servers = await startServers(topology.servers)
  table(
    [
      ['host', 'IPv4', 'IPv6', 'runs'],
      ['client', CLIENT.ipv4, CLIENT.ipv6, 'curl, UDP queries, iperf3'],
      ['director', VIP.ipv4, VIP.ipv6, 'sluice serve (these are the virtual addresses)'],
      ...SERVER_NAMES.map(name => [
        name,
        serverAddress(name, 'ipv4'),
        serverAddress(name, 'ipv6'),
        'an HTTP and a UDP server',
      ]),
    ],
    { left: 4 },
  )
  const sluice = new Sluice(lab, topology.director)
  print(dim(`\n   director# sluice ${sluice.args.join(' ')}`))
  print(`   ${await sluice.start()}`)
  return { lab, topology, servers, sluice, checks, verbose }
}

async function configure(show: Show): Promise<void> {
  section('Four virtual services by REST: HTTP 3 : 2 : 1 and UDP in turn, over IPv4 and IPv6')
  let lines = 18
  for (const [name, body] of Object.entries(services())) {
    await ask(show, { method: 'PUT', path: `/v1/virtual-services/${name}`, body, lines })
    lines = 1
  }
}

async function restart(show: Show): Promise<void> {
  await show.sluice.start()
  const list = (await show.sluice.api('GET', '/v1/virtual-services')) as { items: unknown[] }
  const expected = Object.keys(services()).length + 1
  const claim = `started again: its ${expected} virtual services came from the database`
  show.checks.that(claim, list.items.length === expected, `it has ${list.items.length}`)
}

function leaveRunning({ lab, topology, sluice, checks }: Show): number {
  const remove = lab.leave()
  const inside = (host: { name: string }) => `ip netns exec ${host.name}`
  section('The lab keeps running')
  print(`   ask as the client     ${inside(topology.client)} curl http://${VIP.ipv4}/`)
  print(`   use the API           ${inside(topology.director)} curl http://127.0.0.1:7480/v1/stats`)
  print(`   look at packets       ${inside(topology.director)} tcpdump -ni ${DIRECTOR_DEVICES[0]}`)
  print(`   stop Sluice           kill ${sluice.process.pid}`)
  print(`   remove everything     ${remove}`)
  return verdict(checks)
}

function verdict(checks: Checks): number {
  const { count, failed } = checks
  print()
  if (failed.length === 0) print(green(bold(`All ${count} checks hold.`)))
  else print(red(bold(`${failed.length} of ${count} checks failed: ${failed.join('; ')}`)))
  return failed.length === 0 ? 0 : 1
}
