/** Against what ipvsadm 1.31 itself printed of such a table (fixtures/ipvsadm/listings.txt). */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { run } from '../../../cli/ipvsadm/command.js'
import { MemoryBackend } from '../../fixtures/ipvsadm/memory-backend.js'
import { NAMELESS, sampleTable } from '../../fixtures/ipvsadm/sample-table.js'

const file = new URL('../../fixtures/ipvsadm/listings.txt', import.meta.url)
const samples = readFileSync(file, 'utf8')
  .split(/^# ipvsadm /m)
  .slice(1)
  .map(block => {
    const end = block.indexOf('\n')
    return { args: block.slice(0, end), text: block.slice(end + 1).replace(/\n+$/, '\n') }
  })

t.equal(samples.length, 11)
for (const { args, text } of samples) {
  t.test(`ipvsadm ${args}`, async t => {
    const backend = await sampleTable()
    for (const role of ['master', 'backup'] as const) {
      await run(['--start-daemon', role, '--syncid', '7'], backend)
    }
    const outcome = await run(args.split(' '), backend, { names: NAMELESS })
    t.equal(outcome.stderr, '')
    t.equal(outcome.exit, 0)
    // Samples of counters show the first two services only.
    const isCut = args.includes('--') && !args.startsWith('-Lnc') && text.includes('192.0.2.11:443')
    t.equal(isCut ? outcome.out.slice(0, text.length) : outcome.out, text)
  })
}

t.test('the long names of -Sn make the same table again', async t => {
  const backend = await sampleTable()
  const saved = await run(['-S', '-n'], backend, { names: NAMELESS })
  const copy = new MemoryBackend()
  const restored = await run(['--restore'], copy, { stdin: saved.out, names: NAMELESS })
  t.equal(restored.exit, 0)
  t.equal((await run(['--save', '--numeric'], copy, { names: NAMELESS })).out, saved.out)
})

t.test('exact counters are printed in full', async t => {
  const backend = await sampleTable()
  const { out } = await run(['-Ln', '--stats', '--exact'], backend, { names: NAMELESS })
  const line =
    'TCP  192.0.2.10:80                  123456  7654321 987654321 1234567890 123456789012345\n'
  t.ok(out.includes(line), out)
})

t.test('an empty table has its titles', async t => {
  const { out, exit } = await run(['-Ln'], new MemoryBackend(), { names: NAMELESS })
  const title =
    'IP Virtual Server version 1.2.1 (size=4096)\n' +
    'Prot LocalAddress:Port Scheduler Flags\n' +
    '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n'
  t.equal(out, title)
  t.equal(exit, 0)
})

t.test('without -n names are shown where there are some', async t => {
  const backend = new MemoryBackend()
  const names = {
    ...NAMELESS,
    host: async (address: string) => (address === '192.0.2.10' ? 'www.example.org' : null),
    service: async (port: number, protocol: string) =>
      port === 80 && protocol === 'tcp' ? 'http' : null,
  }
  await run(['-A', '-t', '192.0.2.10:80', '-s', 'rr'], backend, { names })
  await run(['-a', '-t', '192.0.2.10:80', '-r', '10.0.0.1:8080', '-m'], backend, { names })
  const { out } = await run(['-S'], backend, { names })
  t.equal(
    out,
    '-A -t www.example.org:http -s rr\n-a -t www.example.org:http -r 10.0.0.1:8080 -m -w 1\n',
  )
})

t.test('sorting wraps around as 32-bit integers do', async t => {
  const backend = new MemoryBackend()
  const addresses = ['10.0.0.100', '127.0.0.1', '192.168.10.11', '203.0.113.5']
  await run(['-A', '-t', '192.0.2.10:80'], backend, { names: NAMELESS })
  for (const a of addresses) {
    await run(['-a', '-t', '192.0.2.10:80', '-r', a, '-g'], backend, { names: NAMELESS })
  }
  const { out } = await run(['-Ln'], backend, { names: NAMELESS })
  const order = [...out.matchAll(/-> (\d[\d.]+):/g)].map(m => m[1])
  t.strictSame(order, ['192.168.10.11', '203.0.113.5', '10.0.0.100', '127.0.0.1'])
  const unsorted = await run(['-Ln', '--nosort'], backend, { names: NAMELESS })
  const newestFirst = [...unsorted.out.matchAll(/-> (\d[\d.]+):/g)].map(m => m[1])
  t.strictSame(newestFirst, [...addresses].reverse())
})

t.test('long names of IPv4 are cut to their columns in every listing (12.2)', async t => {
  const host = 'a-rather-long-name-of-a-host.example.com'
  const names = { ...NAMELESS, host: async () => host }
  const backend = new MemoryBackend()
  await run(['-A', '-t', '192.0.2.1:80', '-s', 'rr'], backend, { names: NAMELESS })
  await run(['-a', '-t', '192.0.2.1:80', '-r', '10.0.0.1'], backend, { names: NAMELESS })
  for (const option of [[], ['--thresholds'], ['--persistent-conn'], ['--tun-info']]) {
    const { out } = await run(['-L', ...option], backend, { names })
    t.match(out, `\nTCP  ${host.slice(0, 28)} rr\n  -> ${host.slice(0, 28)} `, option.join())
  }
  const { out } = await run(['-S'], backend, { names })
  t.match(out, `-A -t ${host}:80 -s rr\n-a -t ${host}:80 -r ${host}:80 -g`, 'never when saving')
})
