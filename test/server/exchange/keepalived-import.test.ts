/** What keepalived.conf makes, and what is said about each statement. */
import t from 'tap'
import { importKeepalived } from '../../../server/exchange/keepalived-import.js'
import { complaints } from './keepalived-program.js'

const REAL = 'real_server 10.0.0.1 80 {\n}'
const server = (inside: string, head = '198.51.100.1 80') =>
  `virtual_server ${head} {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n${inside}\n}\n`

/** What is not simply taken: line, action, reason. */
async function told(text: string, configId?: string): Promise<string[]> {
  const { report } = await importKeepalived(text, configId === undefined ? {} : { configId })
  return report
    .filter(({ action }) => action !== 'taken')
    .map(({ line, action, reason = '' }) => `${line} ${action} ${reason}`)
}

async function services(text: string, configId?: string) {
  const { document } = await importKeepalived(text, configId === undefined ? {} : { configId })
  return document.virtualServices
}

const cases: readonly (readonly [what: string, text: string, told: readonly string[]])[] = [
  ['nothing', '! only this\n\n', []],
  ['a whole one', server(REAL), []],
  [
    'defaults that keepalived sets by itself',
    'virtual_server 198.51.100.1 {\nreal_server 10.0.0.1 {\n}\n}',
    [
      '1 changed Without a protocol it is UDP, as for keepalived. Without a port it takes every one',
    ],
  ],
  [
    'the port of a server that is not rewritten',
    server('real_server 10.0.0.1 81 {\nlvs_method DR\n}'),
    ["5 changed Nothing rewrites its port, so it is the service's, 80."],
  ],
  ['ops is for UDP', server(`ops\n${REAL}`), ['1 changed One-packet scheduling is for UDP']],
  ['doubles', server(`${REAL}\n${REAL}`), ['7 refused Line 5 has the real server 10.0.0.1:80']],
  [
    'a service that is there twice',
    server(REAL) + server(REAL),
    ['8 refused Line 1 has this virtual service already.'],
  ],
  [
    'numbers, names and methods that are none',
    server(`lvs_sched RR\nlvs_method nat\nprotocol icmp\npersistence_timeout 0\n${REAL}`),
    [
      "5 refused There is no scheduler 'RR'.",
      "6 refused There is no method 'nat'",
      "7 refused There is no protocol 'icmp'",
      '8 refused It is 1 to 2678400 seconds.',
    ],
  ],
  [
    'a port by name',
    server(REAL, '198.51.100.1 http'),
    ["1 refused 'http' is not a port", '2', '3', '4', '5'],
  ],
  [
    'a word that is nearly right',
    server(`persistance_timeout 5\n${REAL}`),
    ["5 ignored keepalived has no 'persistance_timeout' here. Did you mean 'persistence_timeout'?"],
  ],
  [
    'a family that does not fit',
    server('real_server 2001:db8::1 80 {\n}'),
    ['5 refused 2001:db8::1 is ipv6; the virtual service is ipv4.'],
  ],
  [
    'what is not there',
    server(`omega\nquorum_up "/bin/y"\nreal_server 10.0.0.1 80 {\nFILE_CHECK {
track_file x\n}\nnotify_up "/bin/x # y"\n}`),
    ['5 ignored', '6 ignored', '8 ignored', '9 ignored', '11 ignored'],
  ],
  ['flags of another scheduler', server(`sh-port\n${REAL}`), ['5 ignored The scheduler above']],
  [
    'braces',
    '}\nvirtual_server 198.51.100.1 80 {\nprotocol TCP\n{\nweight 3\n}\nreal_server 10.0.0.1 80',
    ['1 refused No block is open', '2 refused The block is never closed.', '5 ignored'],
  ],
  ['included files', 'include /etc/keepalived/conf.d/*.conf', ['1 ignored Included files']],
  [
    'a definition that contains itself',
    '$A=x${A}\n$A 1',
    ['2 refused A definition seems to contain itself.'],
  ],
  ['a sequence without end', '~SEQ(A,1,0,9) x', ['1 refused Not a well-formed ~SEQ or ~LST.']],
  [
    'a group that nobody names, and one that is not there',
    `virtual_server_group G {\n10.0.0.1 80\n}\n${server(REAL, 'group H')}`,
    ['1 ignored No virtual_server', '2 ignored', "4 refused There is no virtual_server_group 'H'"],
  ],
  [
    'members that are none',
    `virtual_server_group G {\n10.0.0.256\n10.0.0.4/33\n10.0.0.4-3\n10.0.0.4-300\nfwmark 0\n10.0.0.5/29\n192.0.2.1 80\n}\n${server(REAL, 'group G')}`,
    [
      "2 refused '10.0.0.256'",
      "3 refused '33'",
      '4 refused The range',
      "5 refused '300'",
      "6 refused '0'",
      '7 refused The address has bits',
    ],
  ],
]
for (const [what, text, wanted] of cases)
  t.test(what, async t => {
    const found = await told(text)
    for (const [i, line] of wanted.entries()) t.equal(found[i]?.slice(0, line.length), line)
    if (wanted.length === 0) t.strictSame(found, [])
  })

t.test('definitions, conditions, sequences and lists', async t => {
  const text = `$BASE=198.51.100
$PORT=80   # of all
$RS= \\
  real_server 10.0.\${N}.1 $PORT { \\
    weight \${N} \\
  }
~SEQ(N, 1, 2) ~LST({A, SCHED}, {10, rr}, {20, wrr}) $VS
@east $RS= \\
  real_server 10.9.9.9 80 { \\
  }
$VS= \\
  virtual_server \${BASE}.\${A}\${N} $PORT { \\
    lvs_sched \${SCHED} \\
    lvs_method DR \\
    protocol TCP \\
    $RS \\
  }
~SEQ(N, 1, 2) ~LST({A, SCHED}, {10, rr}, {20, wrr}) $VS
`
  const made = await services(text)
  t.strictSame(Object.keys(made), [
    ...['tcp-198-51-100-101-80', 'tcp-198-51-100-201-80'],
    ...['tcp-198-51-100-102-80', 'tcp-198-51-100-202-80'],
  ])
  t.match(made['tcp-198-51-100-202-80'], {
    scheduler: 'wrr',
    realServers: { '10-0-2-1-80': { address: '10.0.2.1', weight: 2, forwarding: 'dr' } },
  })
})

t.test('hexadecimal sequences, and addresses in quotes', async t => {
  const text = `~SEQx(N, 0x9, 0x0b) virtual_server "2001:db8::\${N}" 80 { lvs_sched rr
protocol UDP
lvs_method NAT
}`
  t.ok((await told(text)).some(line => line.includes('never closed')))
  const group = `virtual_server_group G {\n~SEQx(N, 0x9, 0x0b) 2001:db8::\${N} 80\n}
${server('real_server "2001:db8:1::1" 80 {\n}', 'group G')}`
  t.equal(complaints(group), '', 'keepalived reads it too')
  t.strictSame(
    Object.values(await services(group)).map(({ address }) => address),
    ['2001:db8::9', '2001:db8::a', '2001:db8::b'],
  )
})

t.test('bounds', async t => {
  const bomb = Array.from({ length: 30 }, (_, i) => `$A${i}=\${A${i + 1}} \${A${i + 1}}`).join('\n')
  t.match((await told(`${bomb}\n\${A0}`)).at(-1), /^31 refused/)
  t.ok((await told('~SEQ(A,1,999999999) x')).some(line => line.startsWith('1 refused')))
  t.match((await told('x {\n'.repeat(100))).at(-1), /refused/)
  t.match((await told('#'.repeat(9000)))[0], /^1 refused The line is longer/)
  const wide = `virtual_server_group G {\n10.0.0.0/16 80\n}\n`
  const many = Array.from({ length: 100 }, (_, i) => `real_server 10.9.0.${i} 80 {\n}`).join('\n')
  t.match((await told(wide + server(many, 'group G')))[0], /more real servers than can/)
})
