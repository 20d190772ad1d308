/**
 * Faults of real peers as `sluice serve` finds them: nginx that flaps, is killed, has an expired
 * certificate; HAProxy that has lost its backend, or hangs; vsftpd that is killed.
 */
import t, { type Test } from 'tap'
import { CertificateFolder } from '../fixtures/certificates.js'
import { WebServer } from '../demo/day/web-server.js'
import {
  DIRECTOR_SERVER_SIDE,
  FAMILIES,
  inUrl,
  serverAddress,
  VIP,
  type Family,
  type ServerName,
} from '../lab/cast.js'
import { fetchMany, fetchOne, tally } from '../lab/curl.js'
import { FTP_PORT, FtpServer } from '../lab/ftp.js'
import { HTTP_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { until } from '../lab/until.js'
import {
  CERTIFICATES,
  PROXY_PORT,
  startProxy,
  startTlsServer,
  TLS_NAME,
  tlsPort,
  type CertificateName,
} from './fault-peers.js'
import { endStage, setStage } from './stage.js'

const SERVICES = '/v1/virtual-services'
/** A run ends by what the peer does; only a peer that hangs is waited for. */
const SCHEDULE = { intervalMilliseconds: 200, timeoutMilliseconds: 3000, rise: 1, fall: 1 }
/** Here a run that nftables does not refuse must succeed, however busy the machine is. */
const COUNTED = { intervalMilliseconds: 100, timeoutMilliseconds: 10_000 }
const FALL = 3
const RISE = 3
const NOBODYS_PORT = 8099

interface Shown {
  health: { state: string }
  items: {
    runs: number
    failures: number
    last: { outcome: string; reason: string | null; detail: string; warnings: string[] } | null
  }[]
}
interface Events {
  items: { name: string; after: { health: string } }[]
  lastEventId: number
}

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director))
const { lab, topology, servers, director } = stage
const { client } = topology
const hostOf = (name: ServerName) => topology.servers.get(name)!
const [hostA, hostB, hostC] = [hostOf('a'), hostOf('b'), hostOf('c')]
await servers.get('a')!.http.stop()
const web = new WebServer(lab, hostA)
await web.deploy('v1')

const shown = async (service: string, server: string) =>
  (await director.api('GET', `${SERVICES}/${service}/real-servers/${server}/checks`)) as Shown
/** The last run says `detail`; the first after a fault may still have been cut off by it. */
const becomes = (service: string, server: string, state: string, detail = /./) =>
  until(`${service}/${server} ${state}`, async () => {
    const { health, items } = await shown(service, server)
    return health.state === state && detail.test(items[0]?.last?.detail ?? 'none yet')
  })
const urlOf = (family: Family, port: number, path = '/') =>
  `http://${inUrl(VIP[family])}:${port}${path}`

/** Where the journal is now. */
const latest = async () => ((await director.api('GET', '/v1/events')) as Events).lastEventId

/** The states that a real server has come into since then. */
async function newsOf(service: string, server: string, after: number): Promise<string[]> {
  const path = `/v1/events?type=realServer.healthChanged&limit=1000&after=${after}`
  const { items } = (await director.api('GET', path)) as Events
  const own = items.filter(({ name }) => name === `${service}/${server}`)
  return own.map(event => event.after.health)
}

for (const family of FAMILIES) {
  t.test(`${family}: a peer that flaps`, t => flaps(t, family))
  t.test(`${family}: kept connections`, t => kept(t, family))
}
t.test('certificates', certificates)
t.test('peers that are killed or hang', ends)
endStage(t, stage)

/**
 * What flaps is counted in probes: nftables judges each SYN of the director by its number, so no
 * clock decides how many runs a flap lasts.
 */
async function flaps(t: Test, family: Family): Promise<void> {
  const service = `flaps-${family}`
  const schedule = { ...COUNTED, rise: RISE, fall: FALL }
  const began = await latest()
  await director.api('PUT', `${SERVICES}/${service}`, {
    ...{ protocol: 'tcp', address: VIP[family], port: 1101, scheduler: 'rr' },
    healthChecks: { inline: { web: { kind: 'http', ...schedule } } },
    realServers: {
      a: { address: serverAddress('a', family), port: HTTP_PORT },
      b: { address: serverAddress('b', family), port: HTTP_PORT },
    },
  })
  const news = () => newsOf(service, 'a', began)
  const told = (...states: string[]) =>
    until(`news of ${states.join(', ')}`, async () => (await news()).join() === states.join())
  await told('up')
  await becomes(service, 'b', 'up')
  const item = async () => (await shown(service, 'a')).items[0]!
  const failures = async () => (await item()).failures
  const successes = async () => {
    const { runs, failures } = await item()
    return runs - failures
  }
  const answers = () => fetchMany(lab, client, urlOf(family, 1101), { times: 4 })

  for (let flap = 1; flap <= 3; flap++) {
    const failed = await failures()
    await guard(family, `numgen inc mod 1000000 < ${FALL - 1} reject with tcp reset`)
    await until('the flap', async () => (await failures()) === failed + FALL - 1)
    const succeeded = await successes()
    await until('its end', async () => (await successes()) > succeeded)
    t.strictSame(tally(await answers()), { a: 2, b: 2 }, 'traffic goes on')
    await mend()
  }
  t.match(await shown(service, 'a'), { health: { state: 'up' } })
  t.strictSame(await news(), ['up'], `${3 * (FALL - 1)} failures are no event`)

  await guard(family, `numgen inc mod 1000000 < ${FALL} reject with tcp reset`)
  await told('up', 'down', 'up')
  await mend()

  await guard(family, 'reject with tcp reset')
  await told('up', 'down', 'up', 'down')
  await becomes(service, 'a', 'down', /refused/)
  await until('traffic to leave', async () => tally(await answers())['b'] === 4)
  const succeeded = await successes()
  await guard(family, `numgen inc mod 1000000 >= ${RISE - 1} reject with tcp reset`)
  await until('some successes', async () => (await successes()) >= succeeded + RISE - 1)
  const failed = await failures()
  await until('failures again', async () => (await failures()) > failed)
  t.equal(await successes(), succeeded + RISE - 1)
  t.match(await shown(service, 'a'), { health: { state: 'down' } })
  t.equal((await news()).at(-1), 'down', `${RISE - 1} successes are too few`)
  await mend()
  await told('up', 'down', 'up', 'down', 'up')
  t.ok((await successes()) >= succeeded + RISE - 1 + RISE, 'they are counted anew')
  await until('traffic to return', async () => tally(await answers())['a'] === 2)
  await director.deleteService(service)
}

/** nftables on a's host decides on new connections from the director: its probes, no client's. */
async function guard(family: Family, verdict: string, host = hostA): Promise<void> {
  const from = `${family === 'ipv4' ? 'ip' : 'ip6'} saddr ${DIRECTOR_SERVER_SIDE[family]}`
  const isNew = `tcp dport ${HTTP_PORT} tcp flags & (syn | ack) == syn`
  await host.nft(`table inet fault { }
    flush table inet fault
    table inet fault { chain in { type filter hook input priority 0;
      ${from} ${isNew} ${verdict}; }; }`)
}
const mend = (host = hostA) => host.nft('delete table inet fault')

async function kept(t: Test, family: Family): Promise<void> {
  const service = `kept-${family}`
  await director.api('PUT', `${SERVICES}/${service}`, {
    ...{ protocol: 'tcp', address: VIP[family], port: 1102, scheduler: 'rr' },
    policy: { onDown: 'keep', allDown: 'reject' },
    healthChecks: { inline: { web: { kind: 'http', ...SCHEDULE } } },
    realServers: { b: { address: serverAddress('b', family), port: HTTP_PORT } },
  })
  await becomes(service, 'b', 'up')
  const { http } = servers.get('b')!
  const from = http.stdout.length
  const url = urlOf(family, 1102, '/held/1000')
  const format = ['-o', '/dev/null', '-w', '%{size_download}']
  const curl = client.start(['curl', '-sSg', '-m', '60', ...format, url])
  await http.waitFor(/held/, 15_000, from)
  await guard(family, 'reject with tcp reset', hostB)
  await becomes(service, 'b', 'down', /refused/)
  const fresh = () => fetchOne(lab, client, urlOf(family, 1102))
  await until('new ones to be refused', async () => (await fresh()).exit === 7)
  t.equal(curl.status, null, 'the old one lives')
  http.tell('release')
  t.equal(await curl.exited, 0)
  t.equal(curl.stdout, '1000', 'and has got the rest')
  await mend(hostB)
  await director.deleteService(service)
}

async function certificates(t: Test): Promise<void> {
  const folder = new CertificateFolder()
  t.teardown(() => folder.remove())
  await startTlsServer(lab, hostC, folder)
  const names = Object.keys(CERTIFICATES) as CertificateName[]
  const checkOf = (kind: string, verify: boolean) => ({
    inline: { secure: { kind, ...SCHEDULE, verify, ca: folder.ca, serverName: TLS_NAME } },
  })
  const about = async (service: string, name: CertificateName) => {
    const { health, items } = await shown(service, name)
    return { state: health.state, ...items[0]!.last }
  }
  // A check that asks for a page and one that does not, a family each.
  for (const [kind, family] of [['https', 'ipv4'] as const, ['tls', 'ipv6'] as const]) {
    const service = `certificates-${family}`
    await director.api('PUT', `${SERVICES}/${service}`, {
      ...{ protocol: 'tcp', address: VIP[family], port: 443, scheduler: 'rr' },
      healthChecks: checkOf(kind, true),
      realServers: Object.fromEntries(
        names.map(name => [name, { address: serverAddress('c', family), port: tlsPort(name) }]),
      ),
    })
    await becomes(service, 'expired', 'down', /web\.example is not accepted: it has expired/)
    t.match(await about(service, 'expired'), { outcome: 'failure', reason: 'tls' })
    await becomes(service, 'ending', 'up')
    t.match(await about(service, 'ending'), {
      warnings: [/^The certificate of web\.example ends in [45] days\.$/],
    })
    await becomes(service, 'lasting', 'up')
    t.match(await about(service, 'lasting'), { outcome: 'success', warnings: [] })
    const url = `https://${TLS_NAME}/`
    const trust = ['--cacert', `${folder.folder}/ca.pem`]
    const resolve = ['--resolve', `${TLS_NAME}:443:${inUrl(VIP[family])}`]
    const fetch = () => fetchMany(lab, client, url, { times: 6, extra: [...trust, ...resolve] })
    await until('clients to be spared', async () => {
      const { lasting, ending } = tally(await fetch())
      return lasting === 3 && ending === 3
    })
    const path = `${SERVICES}/${service}`
    await director.api('PATCH', path, { healthChecks: checkOf(kind, false) })
    await becomes(service, 'expired', 'up')
    t.match(await about(service, 'expired'), {
      outcome: 'success',
      warnings: [/^The certificate of web\.example ended (9|10|11) days ago\.$/],
    })
    await until('a client to meet it', async () =>
      // curl: the peer's certificate cannot be trusted.
      (await fetch()).some(({ exit }) => exit === 60),
    )
    await director.deleteService(service)
  }
}

async function ends(t: Test): Promise<void> {
  const backend = { address: serverAddress('a', 'ipv6'), port: HTTP_PORT }
  const proxy = await startProxy(lab, hostB, backend)
  const ftp = await FtpServer.start(lab, hostC)
  const put = (family: Family, name: string, check: object, realServers: object) =>
    director.api('PUT', `${SERVICES}/${name}-${family}`, {
      ...{ protocol: 'tcp', address: VIP[family], port: name === 'web' ? 1103 : 1104 },
      ...{ scheduler: 'rr', healthChecks: { inline: { check } }, realServers },
    })
  const each = async (name: string, server: string, state: string, detail = /./) => {
    for (const family of FAMILIES) await becomes(`${name}-${family}`, server, state, detail)
  }
  for (const family of FAMILIES) {
    await put(
      family,
      'web',
      { kind: 'http', ...SCHEDULE },
      {
        nginx: { address: serverAddress('a', family), port: HTTP_PORT },
        proxy: { address: serverAddress('b', family), port: PROXY_PORT },
        nobody: { address: serverAddress('b', family), port: NOBODYS_PORT },
      },
    )
    await put(
      family,
      'files',
      { kind: 'tcp', ...SCHEDULE },
      {
        ftp: { address: serverAddress('c', family), port: FTP_PORT },
      },
    )
  }
  await each('web', 'nginx', 'up')
  await each('web', 'proxy', 'up')
  await each('web', 'nobody', 'down', /refused/)
  await each('files', 'ftp', 'up')
  await web.kill()
  await each('web', 'nginx', 'down', /refused/)
  await each('web', 'proxy', 'down', /503/)
  await web.deploy('v2')
  await each('web', 'nginx', 'up')
  await each('web', 'proxy', 'up')
  proxy.signal('SIGSTOP')
  await each('web', 'proxy', 'down', /No end within 3000 ms/)
  proxy.signal('SIGCONT')
  await each('web', 'proxy', 'up')
  ftp.process.signal('SIGKILL')
  await each('files', 'ftp', 'down', /refused/)
  t.pass()
}
