/** Checkers and policies of a keepalived.conf: taken over, told of, and written back. */
import t from 'tap'
import { exportKeepalived } from '../../../server/exchange/keepalived-export.js'
import { importKeepalived } from '../../../server/exchange/keepalived-import.js'
import { complaints } from './keepalived-program.js'
import { configurationOf } from './records.js'

const HEAD = 'virtual_server 198.51.100.1 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n'
const service = (...lines: string[]) => `${HEAD}${lines.join('\n')}\n}\n`
const server = (inside: string, end = '10.0.0.1 80') => `real_server ${end} {\n${inside}\n}`

async function read(text: string) {
  const { document, report } = await importKeepalived(text)
  const told = report
    .filter(({ action }) => action !== 'taken')
    .map(({ text, action, reason = '' }) => `${text}: ${action}: ${reason}`)
  return { document, told, service: document.virtualServices['tcp-198-51-100-1-80']! }
}

/** keepalived.conf(5): the defaults of each checker. */
const common = { intervalMilliseconds: 60_000, timeoutMilliseconds: 5000, rise: 1 }
const quick = { ...common, fall: 2, retryDelayMilliseconds: 1000 }
const kinds: readonly (readonly [text: string, checks: Record<string, object>])[] = [
  ['TCP_CHECK {\n}', { tcp: { kind: 'tcp', ...quick } }],
  ['PING_CHECK {\n}', { icmp: { kind: 'icmp', ...quick } }],
  [
    'TCP_CHECK {\nconnect_ip 10.0.0.9\nconnect_port 81\nbindto 10.0.0.254\nconnect_timeout 2.5\nretry 3\ndelay_before_retry 4\ndelay_loop 7\nalpha\n}',
    {
      tcp: {
        ...{ kind: 'tcp', targetAddress: '10.0.0.9', targetPort: 81, sourceAddress: '10.0.0.254' },
        ...{ intervalMilliseconds: 7000, timeoutMilliseconds: 2500, rise: 1, fall: 4 },
        ...{ retryDelayMilliseconds: 4000, initialState: 'down' },
      },
    },
  ],
  [
    'HTTP_GET {\nurl {\npath /a?b=c\nstatus_code 200-299 404\n}\nurl {\npath /d\nvirtualhost www.example.com\n}\n}',
    {
      http: { kind: 'http', path: '/a?b=c', statuses: ['200-299', '404'] },
      'http-02': {
        ...{ ...common, kind: 'http', fall: 2, retryDelayMilliseconds: 3000 },
        ...{ path: '/d', host: 'www.example.com' },
      },
    },
  ],
  [
    'SSL_GET {\nenable_sni\nurl {\npath /\nvirtualhost a.example\n}\n}',
    { https: { kind: 'https', host: 'a.example', serverName: 'a.example', path: '/' } },
  ],
  [
    'DNS_CHECK {\ntype A\nname example.com\n}',
    { dns: { kind: 'dns', ...common, fall: 4, queryType: 'A', queryName: 'example.com' } },
  ],
  ['SMTP_CHECK {\nhelo_name lb.example\n}', { smtp: { hello: 'lb.example', verb: 'HELO' } }],
  ['UDP_CHECK {\n}', { udp: { kind: 'udp', replyRequired: false } }],
  [
    'UDP_CHECK {\npayload 0A FF\nrequire_reply\n}',
    { udp: { send: { hex: '0aff' }, replyRequired: true } },
  ],
  [
    'MISC_CHECK {\nmisc_path "check.sh 10.0.0.1 x"\nmisc_timeout 9\n}',
    {
      command: {
        ...{ program: 'check.sh', arguments: ['10.0.0.1', 'x'] },
        ...{ timeoutMilliseconds: 9000, fall: 1 },
      },
    },
  ],
]
for (const [text, checks] of kinds)
  t.test(text.replaceAll('\n', ' '), async t => {
    const { service: made, told } = await read(service(server(text)))
    t.strictSame(told, [])
    t.match(made.healthChecks, { inline: checks })
    t.equal(Object.keys(made.healthChecks!.inline!).length, Object.keys(checks).length)
  })

t.test('the block around a checker speaks for it, wherever it stands', async t => {
  const text = service(
    server('delay_loop 5\nTCP_CHECK {\nretry 7\n}'),
    ...['delay_loop 9', 'retry 2', 'connect_timeout 3', 'alpha'],
  )
  const { service: made } = await read(text)
  t.match(made.healthChecks?.inline?.tcp, {
    ...{ intervalMilliseconds: 5000, timeoutMilliseconds: 3000, fall: 8, initialState: 'down' },
  })
})

t.test('what most have is the service’s, what differs the server’s', async t => {
  const tcp = 'TCP_CHECK {\n}'
  const { service: made, told } = await read(
    service(
      server(tcp),
      server('PING_CHECK {\n}', '10.0.0.2 80'),
      server('', '10.0.0.3 80'),
      server(tcp, '10.0.0.4 80'),
    ),
  )
  t.strictSame(told, [])
  t.strictSame(Object.keys(made.healthChecks!.inline!), ['tcp'])
  const own = Object.values(made.realServers!).map(({ healthChecks }) => healthChecks)
  t.equal(own[0], undefined)
  t.match(own[1], { named: [], inline: { icmp: { kind: 'icmp' } } })
  t.strictSame(own[2], { named: [], inline: {} })
  t.equal(own[3], undefined)
})

t.test('what is not taken is told', async t => {
  const { told, service: made } = await read(
    service(
      'omega\nwarmup 3\nhysteresis 4\nquorum 2',
      server(
        'MISC_CHECK {\nmisc_path /usr/bin/check\n}\nFILE_CHECK {\ntrack_file x\n}\nTCP_CHECK {\nretry 5000\nbind_if eth0\n}\nHTTP_GET {\nurl {\npath /\ndigest 00ff\n}\n}\nHTTP_GET {\n}\ninhibit_on_failure',
      ),
      'sorry_server 10.0.0.1 80',
    ),
  )
  const wanted = [
    ['omega: ignored', 'warmup 3: ignored', 'hysteresis 4: changed: It has to be below'],
    ['MISC_CHECK: ignored: Commands are files', 'misc_path /usr/bin/check: ignored: Commands are'],
    [
      'FILE_CHECK: ignored',
      'track_file x: ignored',
      'retry 5000: changed',
      'bind_if eth0: ignored',
    ],
    ['digest 00ff: ignored: Bodies are not hashed', 'HTTP_GET: ignored: It has no url.'],
    [
      'inhibit_on_failure: ignored: It is for a whole',
      'sorry_server 10.0.0.1 80: refused: The sorry',
    ],
  ].flat()
  for (const [i, start] of wanted.entries()) t.equal(told[i]?.slice(0, start.length), start)
  t.equal(told.length, wanted.length)
  t.strictSame(Object.keys(made.healthChecks!.inline!), ['tcp', 'http'])
})

t.test('a check that cannot be is refused, the others stand', async t => {
  const { service: made, told } = await read(
    service(server('HTTP_GET {\nurl {\npath /\nstatus_code 299-200\n}\n}\nTCP_CHECK {\n}')),
  )
  t.match(told, [/^HTTP_GET: refused: '299-200' is neither a status nor a range/])
  t.strictSame(Object.keys(made.healthChecks!.inline!), ['tcp'])
})

t.test('policies', async t => {
  const { service: made, told } = await read(
    service(
      ...['quorum 3', 'hysteresis 1', 'sorry_server 10.0.0.9 8080', 'sorry_server_inhibit'],
      ...['inhibit_on_failure', server('weight 9')],
    ),
  )
  t.strictSame(told, [])
  t.strictSame(made.policy, {
    quorum: { up: 4, down: 2 },
    sorryServer: { address: '10.0.0.9', port: 8080, forwarding: 'masq', inhibit: true },
    inhibitOnFailure: true,
  })
})

t.test('and back: the same again, and keepalived has no complaint', async t => {
  const blocks = kinds.map(([text]) => text).filter(text => !/MISC_CHECK|payload/.test(text))
  const text = service(
    ...['quorum 3', 'hysteresis 1', 'sorry_server 10.0.0.9 8080', 'sorry_server_inhibit'],
    ...['sorry_server_lvs_method TUN type ipip', 'inhibit_on_failure'],
    ...blocks.map((block, i) => server(`weight 2\n${block}`, `10.0.1.${i + 1} 80`)),
    ...blocks.map((block, i) => server(`weight 0\n${block}`, `10.0.2.${i + 1} 80`)),
    server(blocks.join('\n'), '10.0.3.1 80'),
  )
  const first = await importKeepalived(text)
  const exported = await exportKeepalived(configurationOf(first.document))
  t.strictSame(exported.losses, [])
  t.equal(complaints(exported.text), '')
  const second = await importKeepalived(exported.text)
  t.strictSame(configurationOf(second.document), configurationOf(first.document))
  const { taken, ...others } = second.summary
  t.strictSame(others, { changed: 0, ignored: 0, refused: 0 })
  t.ok(taken > 0)
})

t.test('what keepalived cannot say is told as lost', async t => {
  const { losses, text } = await exportKeepalived(
    configurationOf({
      virtualServices: {
        'tcp-198-51-100-1-80': {
          ...{ protocol: 'tcp', address: '198.51.100.1', port: 80 },
          policy: { quorum: { up: 2, down: 1 }, onDown: 'reset', allDown: 'reject' },
          healthChecks: {
            ...{ named: ['web'], required: 1 },
            inline: {
              a: { kind: 'command', program: 'x' },
              b: { kind: 'http', rise: 1, path: '/"#', method: 'HEAD' },
              c: { kind: 'http', rise: 1, method: 'HEAD', initialState: 'up' },
            },
          },
          realServers: { '10-0-0-1-80': { address: '10.0.0.1', port: 80, weight: 2 } },
        },
      },
    }),
  )
  const at = '/virtualServices/tcp-198-51-100-1-80/'
  const pointers = losses.map(({ pointer }) => pointer.slice(at.length)).sort()
  t.strictSame(pointers, [
    ...[
      'healthChecks/inline/a',
      'healthChecks/inline/b/path',
      'healthChecks/inline/c/initialState',
    ],
    ...['healthChecks/inline/c/method', 'healthChecks/named', 'healthChecks/required'],
    ...['policy/allDown', 'policy/onDown', 'policy/quorum/down'],
  ])
  t.equal(complaints(text), '')
})

t.test('a quorum that cannot be reached is the highest that keepalived takes', async t => {
  const named = (weights: number[], quorum?: { up: number; down: number }) =>
    configurationOf({
      virtualServices: {
        'tcp-198-51-100-1-80': {
          ...{ protocol: 'tcp', address: '198.51.100.1', port: 80 },
          ...(quorum === undefined ? {} : { policy: { quorum } }),
          realServers: Object.fromEntries(
            weights.map((weight, i) => [
              `10-0-0-${i + 1}-80`,
              { address: `10.0.0.${i + 1}`, port: 80, weight },
            ]),
          ),
        },
      },
    })
  const at = '/virtualServices/tcp-198-51-100-1-80'
  const cases: [weights: number[], quorum: number | undefined, written: RegExp, lost: string[]][] =
    [
      [[2, 3], 5, /^ *quorum 5$/m, []],
      [[2, 3], 6, /^ *quorum 5$/m, [`${at}/policy/quorum`]],
      [[0, 0], 1, /weight 0/, [at, `${at}/policy/quorum`]],
      [[0], undefined, /weight 0/, [at]],
      // keepalived adds 32 bits.
      [[2147483647, 2147483647, 2], undefined, /weight 2\n/, [at]],
      [[2147483647, 2147483647, 5], 4, /^ *quorum 3$/m, [`${at}/policy/quorum`]],
    ]
  for (const [weights, quorum, written, lost] of cases) {
    const said = quorum === undefined ? undefined : { up: quorum, down: quorum }
    const { text, losses } = await exportKeepalived(named(weights, said))
    const name = `weights ${weights.join(' ')}, quorum ${quorum ?? 'not given'}`
    t.match(text, written, name)
    t.strictSame(
      losses.map(({ pointer }) => pointer),
      lost,
      name,
    )
    const warns = /exceeds total weight of real servers 0, reducing quorum to 0/
    if (lost.includes(at)) t.match(complaints(text), warns, name)
    else t.equal(complaints(text), '', name)
  }
})
