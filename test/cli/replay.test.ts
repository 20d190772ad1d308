// The command as people run it: what it prints, what it writes, how it ends.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { replay as run, type ReplayFlags } from '../../cli/replay.js'
import { scapy } from '../fixtures/scapy.js'

const COMMAND = fileURLToPath(new URL('../../cli/sluice.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-replay-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const at = (name: string) => join(folder, name)

/** The command's work in this process, which is quicker than starting one for each case. */
async function replay(flags: Partial<ReplayFlags>) {
  const seen = { status: 0, stdout: '', stderr: '' }
  const all = { config: at('rules'), in: at('in.pcap'), output: 'text' as const, ...flags }
  seen.status = await run(all, {
    print: line => void (seen.stdout += `${line}\n`),
    complain: text => void (seen.stderr += `${text}\n`),
    flush: () => {},
  })
  return seen
}

/** Runs the command as it stands in the sources, with tap's own loader. */
function spawned(args: readonly string[], input?: Uint8Array) {
  const all = [...process.execArgv, COMMAND, 'replay', ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, all, {
    ...(input === undefined ? {} : { input }),
  })
  return { status, stdout: stdout.toString(), stderr: stderr.toString() }
}

writeFileSync(
  at('config.json'),
  JSON.stringify({
    virtualServices: {
      web: {
        ...{ protocol: 'tcp', address: '198.51.100.10', port: 80 },
        realServers: { a: { address: '10.0.0.1', port: 8080 } },
      },
    },
  }),
)
writeFileSync(at('rules'), '-A -t 198.51.100.10:80 -s rr\n-a -t 198.51.100.10:80 -r 10.0.0.1 -g\n')
scapy(
  `
p = [Ether(src='02:00:00:00:00:c1')/IP(src='192.0.2.9',dst='198.51.100.10')/TCP(sport=4000+i,dport=80) for i in range(3)]
for i, each in enumerate(p): each.time = 1700000000 + i
wrpcap(given + '/in.pcap', p)
wrpcap(given + '/cut.pcap', [p[0], raw(p[1])[:40], p[2]], linktype=1)
cut = rdpcap(given + '/in.pcap'); w = PcapWriter(given + '/cut.pcap', linktype=1)
w.write_header(None)
w.write_packet(raw(p[0]), sec=1, usec=0, caplen=54, wirelen=54)
w.write_packet(raw(p[1])[:40], sec=2, usec=0, caplen=40, wirelen=54)
w.write_packet(raw(p[2]), sec=3, usec=0, caplen=54, wirelen=54)
w.close()
wrpcap(given + '/wifi.pcap', [b'x' * 40], linktype=105)
answer(None)
`,
  folder,
)

t.test('text for people, and a capture that tcpdump reads', async t => {
  const options = ['--config', at('config.json'), '--in', at('in.pcap'), '--out', at('out.pcap')]
  const { status, stdout, stderr } = spawned(options)
  t.match({ status, stderr }, { status: 0, stderr: '' })
  t.match(
    stdout,
    /^#1 {2}0\.000000 {2}in {3}in: ip 192\.0\.2\.9\.4000 > 198\.51\.100\.10\.80: tcp S/,
  )
  t.match(stdout, /scheduler +wlc chose a 10\.0\.0\.1:8080 \(masq, weight 1, now 1 active/)
  t.match(stdout, /^packets in +3 in 2\.000000 s: 3 forwarded$/m)
  t.match(stdout, /^connections +3 made, 3 left at the end$/m)
  const text = execFileSync('tcpdump', ['-nr', at('out.pcap')], { encoding: 'utf8', stdio: 'pipe' })
  t.equal(text.trim().split('\n').length, 3)
  t.match(text, /IP 192\.0\.2\.9\.4002 > 10\.0\.0\.1\.8080: Flags \[S\]/)
})

t.test('NDJSON for programs, from standard input, with ipvsadm’s file', async t => {
  const input = readFileSync(at('in.pcap'))
  const { status, stdout } = spawned(['--config', at('rules'), '--in', '-', '-o', 'json'], input)
  t.equal(status, 0)
  const lines = stdout.trim().split('\n')
  const events = lines.map(line => JSON.parse(line) as { type: string })
  t.same(
    events.map(({ type }) => type),
    ['packet', 'packet', 'packet', 'summary'],
  )
  t.match(events[1], {
    ...{ number: 2, time: '2023-11-14T22:13:21.000000000Z', seconds: 1, skipped: null },
    decision: {
      ...{ verdict: 'forwarded', direction: 'in', scheduled: true },
      service: { name: 'tcp 198.51.100.10:80' },
      server: { endpoint: '10.0.0.1:80', forwarding: 'dr' },
    },
    sent: [{ interfaceName: 'in', octets: 40 }],
  })
})

t.test('--quiet leaves the summary', async t => {
  const { stdout } = await replay({ quiet: true })
  t.match(stdout, /^packets in +3/)
  t.notMatch(stdout, /#1/)
})

t.test('what was cut off is told with its place, and what came before is replayed', async t => {
  writeFileSync(at('short.pcap'), readFileSync(at('in.pcap')).subarray(0, 24 + 2 * 70 + 30))
  t.match(await replay({ in: at('short.pcap') }), {
    status: 1,
    stdout: /^#1[^]*^#2[^]*packets in +2/m,
    stderr: /short\.pcap: at octet 164: the file ends within packet 3, 14 of 54 octets/,
  })
  t.match(await replay({ in: at('cut.pcap') }), {
    status: 1,
    stdout:
      /not replayed cut by the capture: 40 of 54 octets \(record at octet 94\)[^]*not replayed +1 cut/,
    stderr: /cut\.pcap: 1 packet was cut by the capture; record whole ones \(tcpdump -s 0\)/,
  })
})

t.test('status 1: no capture; an earlier --out stays', async t => {
  writeFileSync(at('keep.pcap'), 'precious')
  t.match(await replay({ in: at('rules'), out: at('keep.pcap') }), {
    ...{ status: 1, stdout: '' },
    stderr: /rules: it is neither pcap nor pcapng: it starts with 0x2d41202d/,
  })
  t.equal(readFileSync(at('keep.pcap'), 'utf8'), 'precious')
  t.match(await replay({ in: at('nowhere') }), {
    ...{ status: 1, stderr: /nowhere: there is no such file/ },
  })
  t.match(await replay({ in: at('wifi.pcap') }), {
    ...{ status: 1, stderr: /at octet 24: link type 105 is not understood/ },
  })
  t.match(await replay({ out: at('no/where') }), {
    ...{ status: 1, stderr: /where: there is no such file/ },
  })
  t.notOk(existsSync(at('no')))
  t.match(await replay({ out: at('in.pcap') }), { status: 1, stderr: /the capture that is read/ })
  t.match(await replay({}), { status: 0 }, 'which is still there')
})

t.test('status 2: options and configuration', async t => {
  t.match(spawned([]), { status: 2, stderr: /required option '--config <file>'/ })
  writeFileSync(at('bad.json'), '{"virtualServices":{"web":{"protocol":"tpc"}},"setings":{}}')
  t.match(await replay({ config: at('bad.json') }), {
    ...{ status: 2, stdout: '' },
    stderr: /bad\.json: \/setings: .*Did you mean 'settings'[^]*\/virtualServices\/web\/protocol: /,
  })
  t.match(spawned(['--help']), {
    status: 0,
    stdout: /Exit status:[^]*2 {2}an option or the config/,
  })
})
