// What is written is read by tcpdump and scapy.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readCapture } from '../../../cli/pcap/reader.js'
import { CaptureWriter } from '../../../cli/pcap/writer.js'
import { fromHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'
import { scapy } from '../../fixtures/scapy.js'

const ETHER4 = '0200000000010200000000020800'

t.test('nanoseconds and frames arrive in tcpdump, in scapy, and in our own reader', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pcap-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'out.pcap')
  const frames = [SCAPY.TCP4, SCAPY.UDP4].map(hex => fromHex(ETHER4 + hex))
  const timeNs = 1_700_000_000_123_456_789n
  const writer = new CaptureWriter(path)
  for (const [i, frame] of frames.entries()) writer.write(timeNs + BigInt(i), frame)
  writer.close()
  const options = ['-n', '-e', '-tt', '--nano', '-r', path]
  const text = execFileSync('tcpdump', options, { encoding: 'utf8', stdio: 'pipe' })
  t.match(text, /^1700000000\.123456789 02:00:00:00:00:02 > 02:00:00:00:00:01, ethertype IPv4/)
  t.match(text, /1700000000\.123456790 .* 192\.0\.2\.9\.5353 > 198\.51\.100\.1\.53/)
  t.same(
    scapy(`answer([raw(p).hex() for p in rdpcap(given)])`, path),
    frames.map(frame => Buffer.from(frame).toString('hex')),
  )
  t.same(
    [...readCapture(path)].map(p => p.timeNs),
    [timeNs, timeNs + 1n],
  )
})

t.test('a folder that is not there is the caller’s to report', async t => {
  t.throws(() => new CaptureWriter('/nowhere/out.pcap'), { code: 'ENOENT' })
})
