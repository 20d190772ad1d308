// Configuration files: the documents of the API, ipvsadm's own, and everything wrong with either.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ConfigurationError } from '../../../cli/replay/configuration.js'
import { readConfiguration, readDocument } from '../../../cli/replay/read-configuration.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-replay-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'config')

async function read(text: string) {
  writeFileSync(path, text)
  return await readConfiguration(path)
}

async function faults(text: string): Promise<readonly string[]> {
  writeFileSync(path, text)
  try {
    await readConfiguration(path)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults.map(f => f.replace(path, 'F'))
    throw error
  }
  return []
}

/** Pointer and code of each fault. */
const found = (document: unknown): string[] =>
  readDocument(document).faults.map(f => `${f.pointer} ${f.code}`)

t.test('services, settings, mark rules and a network, as the API has them', async t => {
  const { configuration, faults } = readDocument({
    virtualServices: {
      web: {
        ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'wrr' },
        realServers: {
          a: { address: '10.0.0.1', port: 8080, weight: 3 },
          off: { address: '10.0.0.2', adminState: 'disabled' },
          slow: { address: '10.0.0.3', adminState: 'draining', weight: 7 },
        },
      },
      marked: { fwmark: 4294967295, addressFamily: 'ipv6', persistence: { prefixLength: 64 } },
    },
    markRules: {
      late: { mark: 5, addressFamily: 'ipv6', order: 200, protocol: 'icmp' },
      first: {
        ...{ mark: 4294967295, addressFamily: 'ipv6', protocol: 'udp', interface: 'eth1' },
        ...{ destination: '2001:db8:1::/48', destinationPorts: ['53', '8000-8010'] },
      },
    },
    settings: { expireNodestConn: true, timeouts: { udpSeconds: 7 } },
    network: {
      interfaces: [
        { name: 'eth0', mac: '02:00:00:00:00:01', mtu: 9000, addresses: ['192.0.2.1/24'] },
        { name: 'eth1', addresses: ['10.0.0.254/24', '2001:db8::1/64'] },
      ],
      routes: [{ destination: '0.0.0.0/0', via: '192.0.2.254' }],
      neighbours: [{ address: '10.0.0.1', mac: '02:00:00:00:01:01' }],
    },
  })
  t.same(faults, [])
  const { services, markRules, settings, timeouts, network } = configuration!
  t.match(services, [
    {
      name: 'web',
      config: { key: { family: 'ipv4', protocol: 'tcp', port: 80 }, scheduler: 'wrr' },
      servers: [
        { name: 'a', config: { address: '10.0.0.1', port: 8080, weight: 3 } },
        { name: 'slow', config: { weight: 0, port: 80 } },
      ],
    },
    {
      name: 'marked',
      config: {
        key: { family: 'ipv6', fwmark: 4294967295 },
        persistence: { timeoutS: 360, netmask: 64 },
      },
    },
  ])
  t.equal(services[0]!.servers.length, 2, 'a disabled server is not in the dataplane')
  t.match(markRules, [
    { mark: 4294967295, family: 6, protocol: 17, port: 1, destination: { prefixLength: 48 } },
    { mark: 5, protocol: 58, destinationPorts: null, port: null },
  ])
  t.same(markRules[0]!.destinationPorts, [
    { first: 53, last: 53 },
    { first: 8000, last: 8010 },
  ])
  t.match(settings, { expireNodestConn: true, connReuseMode: 1, pmtuDisc: true })
  t.same(timeouts, { tcpS: 900, tcpFinS: 120, udpS: 7 })
  t.match(network, {
    interfaces: [
      { mtuOctets: 9000, mac: { high: 0x0200, low: 1 } },
      { mtuOctets: 1500, mac: null },
    ],
    routes: [{ port: 0, destination: { prefixLength: 0 } }],
    neighbours: [{ port: 1 }],
  })
})

t.test('every fault at once, each with its pointer', async t => {
  t.same(
    found({
      virtualServices: {
        web: { protocol: 'tcp', address: '198.51.100.300', port: 80, scheduler: 'wr' },
        'Not a name': { protocol: 'tcp', address: '198.51.100.9', port: 80 },
        one: { protocol: 'tcp', address: '198.51.100.1', port: 80 },
        two: { protocol: 'tcp', address: '198.51.100.1', port: 80 },
        v6: {
          ...{ protocol: 'udp', address: '2001:db8::1', port: 53 },
          realServers: { a: { address: '10.0.0.1', wieght: 1 } },
        },
      },
      markRules: {
        bad: { mark: 0, addressFamily: 'ipv4' },
        worse: {
          ...{ mark: 1, addressFamily: 'ipv4', protocol: 'tpc', source: '2001:db8::/32' },
          ...{ destinationPorts: ['90-80', '70000'], interface: 'eth9' },
        },
      },
      settings: { connReuseMode: 9, sloppy: true },
      network: { interfaces: [{ name: 'eth0', mac: '01:00:5e:00:00:01', addresses: ['10/8'] }] },
      extra: 1,
    }).sort(),
    [
      '/extra UNKNOWN_FIELD',
      '/markRules/bad/mark OUT_OF_RANGE',
      '/markRules/worse/destinationPorts INVALID_PORTS',
      '/markRules/worse/interface INTERFACE_NOT_FOUND',
      '/markRules/worse/protocol INVALID_VALUE',
      '/markRules/worse/source FAMILY_MISMATCH',
      '/network/interfaces/0/addresses/0 INVALID_ADDRESS',
      '/network/interfaces/0/mac INVALID_VALUE',
      '/settings/connReuseMode OUT_OF_RANGE',
      '/settings/sloppy UNKNOWN_FIELD',
      '/virtualServices/Not a name INVALID_NAME',
      '/virtualServices/two/address SERVICE_EXISTS',
      '/virtualServices/v6/realServers/a/address FAMILY_MISMATCH',
      '/virtualServices/v6/realServers/a/wieght UNKNOWN_FIELD',
      '/virtualServices/web/address INVALID_ADDRESS',
      '/virtualServices/web/scheduler INVALID_VALUE',
    ].sort(),
  )
  t.same(found({}), ['/virtualServices MISSING_FIELD'])
  t.same(found([]), [' WRONG_TYPE'])
  const two = { interfaces: [{ name: 'a' }, { name: 'b' }], routes: [{ destination: '::/0' }] }
  t.same(found({ virtualServices: {}, network: two }), ['/network/routes/0 MISSING_FIELD'])
})

t.test('texts that are no JSON say where, duplicates included', async t => {
  t.match(await faults('\n{ "virtualServices": {,} }'), [/^F:2:23: Expected a field name/])
  t.match(await faults('{"virtualServices":{},"virtualServices":{}}'), [/^F:1:23: .*appears twice/])
  t.match(await faults('{"virtualServices":{"w":{"port":"80"}}}'), [
    /^F: \/virtualServices\/w\/port: Expected an integer, found string\. Write .* \[WRONG_TYPE\]$/,
    /protocol|address/,
    /protocol|address/,
  ])
  t.match(await faults('virtualServices:\n  web:\n'), [/YAML is not read here; write it as JSON/])
  t.match(await faults('---\nvirtualServices: {}\n'), [/YAML is not read here/])
  t.match(await faults(' \n'), [/the file is empty/])
  t.match(await faults('[]'), [
    /expected JSON, starting with \{, or lines that ipvsadm -S wrote\.$/,
  ])
  await t.rejects(readConfiguration(folder), { message: /it is a folder/ })
  await t.rejects(readConfiguration(join(folder, 'no')), { message: /there is no such file/ })
})

t.test('what ipvsadm -S wrote', async t => {
  const { services, network } = await read(`# saved
-A -t 198.51.100.1:80 -s sh -p 300 -M 255.255.255.0 -b sh-port
-a -t 198.51.100.1:80 -r 10.0.0.1:8080 -m -w 5 -x 100 -y 50
ipvsadm -A -u [2001:db8::1]:53 -s rr -o
-a -u [2001:db8::1]:53 -r [2001:db8::5]:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-A -f 7 -6 -s wlc
-a -f 7 -6 -r [2001:db8::6]:0 -g -w 1
`)
  t.equal(network, null)
  t.match(services, [
    {
      name: 'tcp 198.51.100.1:80',
      config: {
        ...{ scheduler: 'sh', schedulerFlags: ['sh-port'], onePacket: false },
        persistence: { timeoutS: 300, netmask: '255.255.255.0' },
      },
      servers: [
        {
          name: '10.0.0.1:8080',
          config: { forwarding: 'masq', weight: 5, upperThreshold: 100, lowerThreshold: 50 },
        },
      ],
    },
    {
      config: { onePacket: true, key: { family: 'ipv6', protocol: 'udp' } },
      servers: [{ config: { tunnel: { type: 'gue', port: 6080, checksum: 'none' } } }],
    },
    { config: { key: { family: 'ipv6', fwmark: 7 } }, servers: [{ config: { forwarding: 'dr' } }] },
  ])
})

t.test('every wrong line of it', async t => {
  t.match(
    await faults(`-A -t 198.51.100.1:80 -s nonesuch
-a -t 198.51.100.1:81 -r 10.0.0.1:80 -m
-A -t 198.51.100.2:80 -s rr
-A -t 198.51.100.2:80 -s rr
-C
-L -n
-A -t 198.51.100.3:99999
`),
    [
      /^F:1: Scheduler or persistence engine not found/,
      /^F:2: Service not defined/,
      /^F:4: Service already exists/,
      /^F:5: only -A, -a and --set lines can be replayed/,
      /^F:6: only -A/,
      /^F:7: illegal virtual server address/,
    ],
  )
})
