// Captures of every dialect, written by scapy or put together from the format's description.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { CaptureError, type CapturedPacket } from '../../../cli/pcap/capture.js'
import { readCapture } from '../../../cli/pcap/reader.js'
import { scapy } from '../../fixtures/scapy.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-pcap-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'capture')

function read(bytes: Uint8Array): CapturedPacket[] {
  writeFileSync(path, bytes)
  return [...readCapture(path)]
}

/** What can be read before the fault, and the fault. */
function readUntilFault(bytes: Uint8Array): { count: number; fault: CaptureError | null } {
  writeFileSync(path, bytes)
  let count = 0
  try {
    for (const packet of readCapture(path)) {
      if (packet.bytes.length > packet.wireOctets) throw new Error('more than there was')
      count++
    }
  } catch (error) {
    if (error instanceof CaptureError) return { count, fault: error }
    throw error
  }
  return { count, fault: null }
}

t.test('classic files by scapy: both byte orders, micro- and nanoseconds', async t => {
  const made = scapy(
    `
out = []
p = [Ether()/IP(dst='192.0.2.1')/UDP(sport=1,dport=2)/(b'x'*n) for n in (0, 1, 600)]
for i, each in enumerate(p): each.time = 1700000000 + i + 0.123456
for endianness in '<>':
    for nano in (False, True):
        wrpcap(given, p, endianness=endianness, nano=nano)
        out.append(open(given, 'rb').read().hex())
answer({'files': out, 'packets': [raw(each).hex() for each in p]})
`,
    path,
  ) as { files: string[]; packets: string[] }
  t.equal(new Set(made.files).size, 4)
  for (const [i, file] of made.files.entries()) {
    const packets = read(Buffer.from(file, 'hex'))
    t.same(
      packets.map(p => Buffer.from(p.bytes).toString('hex')),
      made.packets,
    )
    t.same(
      packets.map(p => p.linkType),
      [1, 1, 1],
    )
    // scapy keeps times as floating-point numbers: exact to about a microsecond.
    const first = packets[0]!.timeNs!
    const off = Math.abs(Number(first - 1_700_000_000_123_456_000n))
    t.ok(off < 1000, `dialect ${i}: ${off} ns off`)
  }
})

t.test('nanoseconds are exact, lengths of the wire are kept, FCS is left off', async t => {
  const words = (...values: number[]) => Buffer.from(new Uint32Array(values).buffer)
  const header = (network: number) => words(0xa1b23c4d, 0x00040002, 0, 0, 65535, network)
  const record = words(1_700_000_000, 999_999_999, 4, 1500)
  const [packet] = read(Buffer.concat([header(101), record, Buffer.from('45000000', 'hex')]))
  t.match(packet, {
    ...{ number: 1, position: 24, timeNs: 1_700_000_000_999_999_999n, linkType: 101 },
    wireOctets: 1500,
  })
  // Two 16-bit words of FCS behind each frame (bits 28-31, flagged by bit 26).
  const fcs = header(((2 << 28) | (1 << 26) | 1) >>> 0)
  const whole = Buffer.concat([fcs, words(1, 2, 20, 20), Buffer.alloc(20, 7)])
  t.match(read(whole)[0], { linkType: 1, wireOctets: 16, bytes: { length: 16 } })
})

t.test('pcapng by scapy', async t => {
  const hex = scapy(
    `
w = PcapNgWriter(given)
for i in range(3):
    p = Ether()/IP(dst='192.0.2.1')/UDP()/(b'y'*i); p.time = 1700000000 + i
    w.write(p)
w.close()
answer(open(given, 'rb').read().hex())
`,
    path,
  ) as string
  const packets = read(Buffer.from(hex, 'hex'))
  t.same(
    packets.map(p => [p.number, p.timeNs! / 1_000_000_000n, p.bytes.length, p.linkType]),
    [0, 1, 2].map(i => [i + 1, 1_700_000_000n + BigInt(i), 42 + i, 1]),
  )
})

// From draft-ietf-opsawg-pcapng, sections 4.1 to 4.4.
class Pcapng {
  readonly #little: boolean
  #parts: Buffer[] = []
  constructor(little: boolean) {
    this.#little = little
    this.block(0x0a0d0d0a, [this.u32(0x1a2b3c4d), this.u16(1), this.u16(0), Buffer.alloc(8, 0xff)])
  }
  u16(value: number): Buffer {
    const b = Buffer.alloc(2)
    return (this.#little ? b.writeUInt16LE(value) : b.writeUInt16BE(value), b)
  }
  u32(value: number): Buffer {
    const b = Buffer.alloc(4)
    return (this.#little ? b.writeUInt32LE(value) : b.writeUInt32BE(value), b)
  }
  option(code: number, value: Uint8Array): Buffer {
    return Buffer.concat([this.u16(code), this.u16(value.length), pad(value)])
  }
  block(type: number, body: readonly Uint8Array[]): this {
    const all = Buffer.concat(body)
    const length = this.u32(12 + all.length)
    this.#parts.push(Buffer.concat([this.u32(type), length, all, length]))
    return this
  }
  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }
}
const pad = (value: Uint8Array): Buffer =>
  Buffer.concat([value, Buffer.alloc((4 - (value.length % 4)) % 4)])

function sample(little: boolean): Pcapng {
  const file = new Pcapng(little)
  const { u32, u16 } = { u32: file.u32.bind(file), u16: file.u16.bind(file) }
  const name = file.option(2, Buffer.from('eth1'))
  const binary = file.option(9, Uint8Array.of(0x80 | 10))
  const nano = file.option(9, Uint8Array.of(9))
  const offset = Buffer.alloc(8)
  if (little) offset.writeBigInt64LE(-5n)
  else offset.writeBigInt64BE(-5n)
  file.block(1, [u16(113), u16(0), u32(8), name, binary, file.option(0, Buffer.alloc(0))])
  file.block(1, [u16(101), u16(0), u32(0), nano, file.option(14, offset)])
  // A block of statistics, and one from the future, are stepped over.
  file.block(5, [Buffer.alloc(12)]).block(0x0bad_f00d, [Buffer.alloc(8)])
  const data = Buffer.from('0102030405', 'hex')
  const comment = file.option(1, Buffer.from('hello'))
  file.block(6, [u32(0), u32(0), u32(3 * 1024 + 512), u32(5), u32(9), pad(data), comment])
  file.block(6, [u32(1), u32(2), u32(7), u32(5), u32(5), pad(data)])
  // Captured octets follow from the snap length of interface 0.
  file.block(3, [u32(20), Buffer.alloc(8, 3)])
  file.block(2, [u16(1), u16(0), u32(0), u32(6_000_000_000 % 2 ** 32), u32(5), u32(5), pad(data)])
  return file
}

for (const little of [true, false]) {
  t.test(
    `pcapng, ${little ? 'little' : 'big'}-endian: resolutions, names, block types`,
    async t => {
      const [a, b, c, d] = read(sample(little).bytes)
      t.match(a, { linkType: 113, interfaceName: 'eth1', timeNs: 3_500_000_000n, wireOctets: 9 })
      t.same([...a!.bytes], [1, 2, 3, 4, 5])
      t.match(b, { linkType: 101, interfaceName: null, timeNs: 2n ** 33n + 7n - 5_000_000_000n })
      t.match(c, { linkType: 113, timeNs: null, wireOctets: 20, bytes: { length: 8 } })
      t.match(d, { number: 4, linkType: 101, wireOctets: 5 })
    },
  )
}

t.test('a new section starts its interfaces anew, in its own byte order', async t => {
  const both = Buffer.concat([sample(true).bytes, sample(false).bytes])
  t.equal(read(both).length, 8)
  const undescribed = Buffer.concat([
    sample(true).bytes,
    new Pcapng(true).block(3, [Buffer.alloc(8)]).bytes,
  ])
  const { count, fault } = readUntilFault(undescribed)
  t.equal(count, 4)
  t.match(fault, { message: /packet 5 names interface 0, which the file does not describe/ })
})

t.test('every length at which a file may end: a fault, or fewer packets', async t => {
  const classic = scapy(
    `wrpcap(given, [IP(dst='192.0.2.1')/UDP()] * 2); answer(open(given,'rb').read().hex())`,
    path,
  ) as string
  for (const file of [Buffer.from(classic, 'hex'), sample(true).bytes, sample(false).bytes]) {
    let whole = 0
    let before = 0
    for (let length = 0; length < file.length; length++) {
      const { count, fault } = readUntilFault(file.subarray(0, length))
      t.ok(count >= before, 'packets do not vanish when there is more')
      before = count
      if (fault === null) whole++
    }
    t.equal(readUntilFault(file).fault, null)
    t.ok(whole < 20, `${whole} lengths are ends of records`)
  }
})

t.test('damaged files: a message with the position, never anything else', async t => {
  const good = sample(true).bytes
  let faults = 0
  for (let at = 0; at < good.length; at++) {
    for (const value of [0, 0xff, 0x80]) {
      const bad = Buffer.from(good)
      bad[at] = value
      if (readUntilFault(bad).fault !== null) faults++
    }
  }
  t.ok(faults > 50, `${faults} faults`)
})

t.test('what is no capture is told apart', async t => {
  const fault = (bytes: Uint8Array) => readUntilFault(bytes).fault?.message
  t.match(fault(Buffer.alloc(0)), /^the file is empty$/)
  t.match(fault(Buffer.from('ab')), /2 octets, which is no capture/)
  t.match(fault(Buffer.from('hello, world')), /neither pcap nor pcapng: it starts with 0x68656c6c/)
  t.match(fault(Buffer.from('1f8b0800', 'hex')), /compressed with gzip; unpack it with gunzip/)
  t.match(fault(Buffer.from('28b52ffd', 'hex')), /compressed with zstd/)
  rmSync(path)
  t.throws(() => [...readCapture(path)], { message: 'there is no such file', position: null })
  t.throws(() => [...readCapture(folder)], { message: /it is a folder/ })
  t.throws(() => readFileSync(path))
})
