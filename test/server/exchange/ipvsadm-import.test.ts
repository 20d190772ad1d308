/** What lines for `ipvsadm -R` make, and what is said about each. */
import t from 'tap'
import { importIpvsadm } from '../../../server/exchange/ipvsadm-import.js'
import { NAMELESS, type Names } from '../../../server/ipvsadm/names.js'

const names: Names = {
  ...NAMELESS,
  address: async host => (host === 'rs1' ? '10.0.0.1' : null),
  port: async (name, protocol) => (name === 'domain' && protocol === 'udp' ? 53 : null),
}

/** The report as lines: number, column, action, reason. */
async function told(text: string): Promise<string[]> {
  const { report } = await importIpvsadm(text, { names })
  return report.map(({ line, column, action, reason = '' }) =>
    `${line}:${column} ${action} ${reason}`.trim(),
  )
}

const cases: readonly (readonly [what: string, text: string, told: readonly string[]])[] = [
  ['nothing', '', []],
  ['blank lines and comments', '\n  \n# -A -t 192.0.2.1:80\n', []],
  [
    'the word ipvsadm in front, and blanks',
    '  ipvsadm -A -t 192.0.2.1:80\r\n\t-a -t 192.0.2.1:80 -r 10.0.0.1',
    ['1:3 taken', '2:2 taken'],
  ],
  [
    'names of hosts and ports',
    '-A -u 192.0.2.1:domain\n-a -u 192.0.2.1:domain -r rs1:domain -m\n-a -u 192.0.2.1:53 -r rs2',
    [
      "1:1 changed 'domain' is port 53.",
      "2:1 changed 'domain' is port 53. 'rs1' is 10.0.0.1.",
      '3:23 refused illegal real server address[:port] specified.',
    ],
  ],
  [
    'what does not parse, where it stands',
    '-A -t 192.0.2.1:80 -s wrr --colour\n-A -t 192.0.2.1:80 -p 0\nhello\n-A -t 192.0.2.1:80 -s rrr',
    [
      '1:27 refused --colour: unknown option.',
      "2:23 refused invalid timeout value `0' specified.",
      '3:1 refused The line does not begin with a command of ipvsadm, such as -A or -a.',
      "4:1 refused 'rrr' is not allowed here.",
    ],
  ],
  [
    'doubles',
    '-A -t 192.0.2.1:80\n-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1\n' +
      '-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m',
    [
      '1:1 taken',
      '2:1 refused Line 1 has this virtual service already.',
      '3:1 taken',
      '4:1 refused Line 3 has the real server 10.0.0.1:80 already.',
    ],
  ],
  [
    'a server without its service',
    '-a -t 192.0.2.1:80 -r 10.0.0.1',
    ['1:1 refused Service not defined: no line above adds it.'],
  ],
  [
    'a server that falls with its service',
    '-A -t 224.0.0.1:80\n-a -t 224.0.0.1:80 -r 10.0.0.1',
    [
      "1:1 refused '224.0.0.1' cannot be used: it is a multicast address.",
      '2:1 refused The virtual service of line 1 was refused.',
    ],
  ],
  [
    'the port of a server that is not rewritten',
    '-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -g\n' +
      '-A -t [2001:db8::1]:80\n-a -t [2001:db8::1]:80 --real-server=[2001:db8::2]:81 -i',
    [
      '1:1 taken',
      "2:1 changed Nothing rewrites its port, so it is the service's, 80, not 8080.",
      '3:1 taken',
      "4:1 changed Nothing rewrites its port, so it is the service's, 80, not 81.",
    ],
  ],
  [
    'edits and deletions of what stands above',
    '-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 10.0.0.1 -m\n-E -t 192.0.2.1:80 -s rr\n' +
      '-e -t 192.0.2.1:80 -r 10.0.0.1 -m -w 7\n-A -t 192.0.2.2:80\n-D -t 192.0.2.2:80\n' +
      '-d -t 192.0.2.1:80 -r 10.0.0.9',
    [
      '1:1 changed Line 3 edits it.',
      '2:1 changed Line 4 edits it.',
      '3:1 taken',
      '4:1 taken',
      '5:1 ignored Line 6 deletes it again.',
      '6:1 taken',
      '7:1 refused No such destination: no line above adds it.',
    ],
  ],
  [
    'a table that is cleared first',
    '-C\n-A -f 7 -6 -s rr',
    [
      '1:1 changed It clears the lines above it; what is configured goes with mode=replace alone.',
      '2:1 taken',
    ],
  ],
  [
    'what is no configuration',
    '-Z\n-L -n\n--start-daemon master\n--set 0 30 0',
    [
      '1:1 ignored Counters are not configuration.',
      '2:1 ignored Listing changes nothing.',
      '3:1 ignored Connections are not synchronised with another host.',
      '4:1 taken',
    ],
  ],
]
for (const [what, text, wanted] of cases)
  t.test(what, async t => {
    const found = await told(text)
    t.equal(found.length, wanted.length)
    for (const [i, line] of wanted.entries()) t.equal(found[i]?.slice(0, line.length), line)
  })

t.test('every option', async t => {
  const { document, summary } =
    await importIpvsadm(`-A -t 192.0.2.1:0 -s sh -b sh-port -p 60 -M 255.255.255.0
-a -t 192.0.2.1:0 -r 10.0.0.1:0 -i -w 0 -x 9 -y 3 --tun-type gue --tun-port 6080 --tun-csum
-A -f 4294967295 -6 -s mh -b mh-fallback,flag-3 -o
-a -f 4294967295 -6 -r [2001:db8::1]:0 -g
-A --sctp-service [2001:db8::5]:80 -p -M 64 --pe sip
--set 1 2 3`)
  t.strictSame(summary, { taken: 6, changed: 0, ignored: 0, refused: 0 })
  t.match(document, {
    virtualServices: {
      'tcp-192-0-2-1-0': {
        ...{ port: 0, scheduler: 'sh', schedulerFlags: ['sh-port'] },
        persistence: { timeoutSeconds: 60, netmask: '255.255.255.0' },
        realServers: {
          '10-0-0-1-0': {
            ...{ forwarding: 'tunnel', weight: 0, upperThreshold: 9, lowerThreshold: 3 },
            tunnel: { type: 'gue', port: 6080, checksum: 'checksum' },
          },
        },
      },
      'fwm-4294967295-ipv6': {
        ...{ fwmark: 4294967295, addressFamily: 'ipv6', onePacket: true },
        schedulerFlags: ['mh-fallback', 'flag-3'],
        realServers: { '2001-db8--1-0': { address: '2001:db8::1', port: 0, forwarding: 'dr' } },
      },
      'sctp-2001-db8--5-80': {
        persistence: { timeoutSeconds: 360, prefixLength: 64, engine: 'sip' },
      },
    },
    settings: { timeouts: { tcpSeconds: 1, tcpFinSeconds: 2, udpSeconds: 3 } },
  })
})
