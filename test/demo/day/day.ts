/**
 * `npm run demo -- day`: a working day of one service under load that never rests. A rolling
 * deployment that nobody may notice, then a server that hangs, a full outage with a sorry server,
 * and recovery with a ramp. Exit status 0 means that every claim held.
 */
import { DIRECTOR_SERVER_SIDE, SERVER_DEVICE, SERVER_NAMES, VIP } from '../../lab/cast.js'
import { Lab } from '../../lab/lab.js'
import type { Namespace } from '../../lab/namespace.js'
import { Sluice } from '../../lab/sluice.js'
import { build } from '../../lab/topology.js'
import type { SteadyOrder } from '../../lab/steady-format.js'
import type { Checks } from '../checks.js'
import { bold, dim, print, section, table } from '../screen.js'
import { rollOut } from './deployment.js'
import { Load } from './load.js'
import { check, lastFor, service, SERVICE, SORRY, type Stage } from './stage.js'
import { leftLast, Timeline, type PartCount } from './timeline.js'
import { hang, outage, recover } from './trouble.js'
import { DOWNLOAD_OCTETS, WebServer } from './web-server.js'

const PLANNED = 'rolling deployment'

/** A download, and some time for its connection. */
const LONGEST_ANSWER_MS = 3000

const LOAD: SteadyOrder = {
  ...{ host: VIP.ipv4, port: 80, deadlineMs: 2000 },
  ...{ shortPerSecond: 150, sessions: 8, sessionAgeMs: 2500 },
  ...{ downloads: 4, downloadOctets: DOWNLOAD_OCTETS },
}

/** Throws when a part of it cannot go on; claims that do not hold are in `checks`. */
export async function day(lab: Lab, checks: Checks): Promise<void> {
  print(bold('A working day') + dim('  one service, three servers, load that never rests'))
  section('Servers, checks and policies')
  const { client, stage } = await raise(lab, checks)
  const load = await Load.start(client, LOAD)
  const { timeline } = stage
  timeline.note(`load: ${describe(LOAD)}`)

  timeline.part('as it was')
  await lastFor(2000)
  section('Version 2 goes to a, b and c; nobody may notice')
  timeline.part(PLANNED)
  await rollOut(stage, 'v2')
  // Whoever began to ask in the planned part has his answer before anything else happens.
  timeline.part('as deployed')
  await lastFor(LONGEST_ANSWER_MS)
  section('b hangs, and goes on')
  timeline.part('a server hangs')
  await hang(stage, 'b')
  section('Every server dies')
  timeline.part('full outage')
  await outage(stage, load)
  section('They come back')
  timeline.part('recovery')
  await recover(stage, load, 'v2')

  const results = await load.stop()
  section('The day, second by second: answers of each server to requests begun then')
  timeline.show(results, [...SERVER_NAMES, 'sorry'])
  section('The count')
  judge(checks, timeline.counts(results))
  await stage.sluice.stop()
}

async function raise(lab: Lab, checks: Checks): Promise<{ client: Namespace; stage: Stage }> {
  const { client, director, servers } = await build(lab)
  const web = new Map([...servers].map(([name, host]) => [name, new WebServer(lab, host)]))
  await Promise.all([...web.values()].map(server => server.deploy('v1')))
  await new WebServer(lab, await addSorryServer(lab)).deploy('sorry')
  const sluice = await Sluice.start(lab, director)
  await sluice.api('PUT', '/v1/health-checks/web', check())
  await sluice.api('PUT', SERVICE, service())
  print(dim(`   PUT /v1/health-checks/web   ${JSON.stringify(check())}`))
  const { policy, healthChecks } = service()
  print(dim(`   PUT ${SERVICE}   ${JSON.stringify({ healthChecks, policy })}`))
  const timeline = new Timeline(Date.now)
  return { client, stage: { sluice, timeline, checks, web } }
}

/** Another host beside the real servers. */
async function addSorryServer(lab: Lab): Promise<Namespace> {
  const bridge = lab.hosts.find(({ role }) => role === 'switch')!
  const host = await lab.host('sorry')
  await lab.wire({ host, device: SERVER_DEVICE }, { host: bridge, device: 'port-sorry' })
  await bridge.ip('link set port-sorry master bridge0')
  await host.ip(
    `addr add ${SORRY}/24 dev ${SERVER_DEVICE}`,
    `route add default via ${DIRECTOR_SERVER_SIDE.ipv4}`,
  )
  return host
}

function judge(checks: Checks, counts: readonly PartCount[]): void {
  const rows = counts.map(({ name, requests, failed, why }) => [
    ...[name, String(requests), String(failed), why],
  ])
  table(leftLast([['part of the day', 'requests', 'failed', ''], ...rows]))
  print(dim('   Requests count for the part in which they began; downloads take two seconds.'))
  print()
  const planned = counts.find(({ name }) => name === PLANNED)!
  checks.that(
    `${planned.requests} requests during the deployment, none failed`,
    planned.requests > 1000 && planned.failed === 0,
    `${planned.failed} failed`,
  )
}

const describe = ({ shortPerSecond, sessions, downloads }: SteadyOrder) =>
  `${shortPerSecond} new connections a second, ${sessions} sessions, ${downloads} downloads`
