// What follows from health, on real packets: policies by what is reported, faults by what is checked.
import t, { type Test } from 'tap'
import { FAMILIES, serverAddress, VIP, type Family, type ServerName } from '../lab/cast.js'
import { fetchMany, fetchOne, tally } from '../lab/curl.js'
import { HTTP_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { askUdp } from '../lab/udp.js'
import { until } from '../lab/until.js'
import { sctpIsRefused, withdrawn } from './policy-link.js'
import { ramps } from './policy-ramps.js'
import { DOWN, put, python, say, SERVICES, urlOf, type SluiceStage } from './policy-stage.js'
import { endStage, setStage } from './stage.js'

/** Sends a datagram from a port of its own choice and prints who answers, or why nobody does. */
const DATAGRAM = `
import socket, sys
address, port, source = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', source))
s.connect((address, port))
s.settimeout(3)
s.send(b'who')
try: print(s.recv(100)[:16].rstrip(b'\\0').decode())
except OSError as error: print(type(error).__name__)
`

t.test('when servers fail', async t => {
  const stage = await setStage(t, (lab, director) => Sluice.start(lab, director))
  for (const family of FAMILIES) {
    t.test(`${family}: nobody is left`, t => nobodyLeft(t, stage, family))
    t.test(`${family}: withdrawn`, t => withdrawn(t, stage, family))
    t.test(`${family}: connections of the dead`, t => connections(t, stage, family))
    t.test(`${family}: slow start under real connections`, t => ramps(t, stage, family))
    t.test(`${family}: quorum and priorities`, t => groups(t, stage, family))
  }
  t.test('faults of real servers', t => faults(t, stage))
  endStage(t, stage)
})

async function nobodyLeft(t: Test, stage: SluiceStage, family: Family): Promise<void> {
  const { lab, topology } = stage
  const { client } = topology
  const tell = (port: number) => fetchOne(lab, client, urlOf(family, port))
  // So soon after the news the dataplane may not have heard of it.
  const becomes = (port: number, exit: number, server: string) =>
    until(`port ${port}`, async () => {
      const got = await tell(port)
      return got.exit === exit && got.server === server
    })
  const reject = await put(stage, 'reject', { family, port: 1001, policy: { allDown: 'reject' } })
  await say(stage, reject, DOWN)
  await becomes(1001, 7, '')
  await say(stage, reject, { b: 'up' })
  await becomes(1001, 0, 'b')
  const udp = await put(stage, 'reject-udp', {
    ...{ family, port: 1001, protocol: 'udp', policy: { allDown: 'reject' } },
  })
  await say(stage, udp, DOWN)
  await until('port unreachable', async () => {
    const { errors } = await askUdp(client, { address: VIP[family], port: 1001, sizes: [10] })
    return errors['ECONNREFUSED'] === 1
  })
  await sctpIsRefused(t, stage, family)
  const open = await put(stage, 'open', { family, port: 1002, policy: { allDown: 'failOpen' } })
  await say(stage, open, DOWN)
  const answers = await fetchMany(lab, client, urlOf(family, 1002), { times: 4 })
  t.strictSame(tally(answers), { a: 2, b: 2 }, 'failOpen: all of them are asked')
  const sorryServer = { address: serverAddress('c', family), port: HTTP_PORT }
  const sorry = await put(stage, 'sorry', { family, port: 1003, policy: { sorryServer } })
  await say(stage, sorry, DOWN)
  await becomes(1003, 0, 'c')
  await say(stage, sorry, { a: 'up' })
  await becomes(1003, 0, 'a')
}

async function connections(t: Test, stage: SluiceStage, family: Family): Promise<void> {
  const { topology, servers } = stage
  const hold = async (name: string, port: number, policy: object) => {
    const service = await put(stage, name, { family, port, names: ['a'], policy })
    const from = servers.get('a')!.http.stdout.length
    const url = urlOf(family, port, '/held/1000')
    const curl = topology.client.start(['curl', '-sSg', '-m', '60', '-o', '/dev/null', url])
    await servers.get('a')!.http.waitFor(/held/, 15_000, from)
    return { service, curl }
  }
  const cut = await hold('reset', 1011, { onDown: 'reset' })
  await say(stage, cut.service, { a: 'down' })
  t.equal(await cut.curl.exited, 56, 'the client is told at once')
  await until('the server to be told', async () => {
    const list = ['ss', '-Htn', 'state', 'established', `sport = :${HTTP_PORT}`]
    return (await topology.servers.get('a')!.must(list)).trim() === ''
  })
  const kept = await hold('keep', 1012, { inhibitOnFailure: true })
  await say(stage, kept.service, { a: 'down' })
  servers.get('a')!.http.tell('release')
  t.equal(await kept.curl.exited, 0, 'inhibited: what it has goes on')

  const port = 1013
  const shape = { family, port, protocol: 'udp', policy: { onDown: 'reselect' } } as const
  const service = await put(stage, 'reselect', shape)
  const who = async () => {
    const command = python(DATAGRAM, VIP[family], String(port), '40000')
    return (await topology.client.must(command)).trim() as ServerName
  }
  const first = await who()
  t.equal(await who(), first, 'a flow stays')
  await say(stage, service, { [first]: 'down' })
  const other = first === 'a' ? 'b' : 'a'
  await until('the flow to move', async () => (await who()) === other)
}

async function groups(t: Test, stage: SluiceStage, family: Family): Promise<void> {
  const { lab, topology } = stage
  const answers = (port: number) =>
    fetchMany(lab, topology.client, urlOf(family, port), { times: 6 })
  const becomes = (what: string, port: number, wanted: Record<string, number>) =>
    until(what, async () => {
      const found = tally(await answers(port))
      return Object.keys({ ...found, ...wanted }).every(name => found[name] === wanted[name])
    })
  const names = ['a', 'b', 'c'] as const
  const quorum = { up: 3, down: 2 }
  const held = await put(stage, 'quorum', {
    ...{ family, port: 1021, names, policy: { quorum, allDown: 'reject' } },
  })
  await say(stage, held, { a: 'down' })
  await becomes('two to be enough', 1021, { b: 3, c: 3 })
  await say(stage, held, { b: 'down' })
  await becomes('one not to be', 1021, { '': 6 })
  await say(stage, held, { b: 'up' })
  await becomes('two not to be enough again', 1021, { '': 6 })
  await say(stage, held, { a: 'up' })
  await becomes('three to be', 1021, { a: 2, b: 2, c: 2 })

  const extra = { a: { priority: 10 }, b: { priority: 5 }, c: { priority: 5 } }
  const tiers = await put(stage, 'tiers', { family, port: 1022, names, extra, policy: {} })
  await becomes('the first to serve', 1022, { a: 6 })
  await say(stage, tiers, { a: 'down' })
  await becomes('the next to take over', 1022, { b: 3, c: 3 })
  await say(stage, tiers, { a: 'up' })
  await becomes('the first to be back', 1022, { a: 6 })
  t.pass()
}

/** Each fault is found, and its end as well. */
async function faults(t: Test, stage: SluiceStage): Promise<void> {
  const { director, topology, servers } = stage
  const schedule = { intervalMilliseconds: 300, timeoutMilliseconds: 700, rise: 2, fall: 2 }
  const checks = { web: { kind: 'http', ...schedule, match: { text: 'b' } } }
  const service = await put(stage, 'faults', { family: 'ipv4', port: 1031, policy: {}, checks })
  const path = `${SERVICES}/${service}/real-servers/b`
  const becomes = async (state: string, detail: RegExp | null = null) =>
    until(`b ${state}`, async () => {
      const { status } = (await director.api('GET', path)) as {
        status: { health: { state: string; detail: string | null } }
      }
      const { health } = status
      return health.state === state && (detail === null || detail.test(health.detail ?? ''))
    })
  const host = topology.servers.get('b')!
  const { http } = servers.get('b')!
  const guard = (verdict: string) =>
    host.nft(`table inet fault { chain in { type filter hook input priority 0;
      tcp dport ${HTTP_PORT} ${verdict}; }; }`)
  const mend = () => host.nft('delete table inet fault')
  await becomes('up')
  http.signal('SIGSTOP')
  await becomes('down', /No end within/)
  http.signal('SIGCONT')
  await becomes('up')
  await guard('drop')
  await becomes('down', /No end within/)
  await mend()
  await becomes('up')
  await guard('reject with tcp reset')
  await becomes('down', /refused/)
  await mend()
  await becomes('up')
  const wrong = { web: { ...checks.web, path: '/nothing' } }
  await director.api('PATCH', `${SERVICES}/${service}`, { healthChecks: { inline: wrong } })
  await becomes('down', /404/)
  t.pass()
}
