import { createHash } from 'node:crypto'
import t from 'tap'
import type { Dest } from '../../../../dataplane/ipvs/dest.js'
import { fillTable, MH_SLOTS } from '../../../../dataplane/ipvs/sched/mh.js'
import { siphash13, siphash13Key } from '../../../../dataplane/ipvs/sched/siphash.js'
import { TUNNEL } from '../../../../dataplane/shared/conn-record.js'
import * as address from '../../../../dataplane/wire/address.js'
import { World } from '../world.js'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'mh')

const KEY1 = 2654435761
const KEY2 = 2654446892
const keyOf = (text: string, port: number) => {
  const { w0, w1, w2, w3 } = address.parse(text)!
  return (port + (w0 ^ w1 ^ w2 ^ w3)) | 0
}

t.test('SipHash-1-3', async t => {
  // A published vector of the kernel's lib/siphash_kunit.c: four octets 00 01 02 03.
  t.equal(siphash13Key(0x03020100, 0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c), 0x88d38328)
})

t.test('permutation of a server', async t => {
  for (const [text, hash, offset, skip] of [
    ['10.0.0.1', 0x439c0cbe, 3167, 700],
    ['10.0.0.2', 0xa1cf683b, 1231, 3544],
    ['10.0.0.3', 0x2cdf0afa, 1631, 3453],
  ] as const) {
    t.equal(siphash13(keyOf(text, 80), KEY1), hash, text)
    t.equal(hash % MH_SLOTS, offset)
    t.equal((siphash13(keyOf(text, 80), KEY2) % (MH_SLOTS - 1)) + 1, skip)
  }
})

t.test('slot of a client', async t => {
  for (const [text, bare, withPort] of [
    ['198.51.100.5', 177, 1786],
    ['198.51.100.6', 1951, 3200],
    ['203.0.113.77', 2731, 2628],
    ['2001:db8::1', 3457, 180],
  ] as const) {
    t.equal(siphash13(keyOf(text, 0), KEY1) % MH_SLOTS, bare, text)
    t.equal(siphash13(keyOf(text, 49153), KEY1) % MH_SLOTS, withPort, `${text} with port`)
  }
})

// Computed by an independent model of ip_vs_mh.c: slots of A, B and C, and SHA-256 of the table.
const tables: [servers: string, counts: string, sha256: string][] = [
  [
    'A1 B1 C1',
    '1364 1364 1365',
    '33a32bebd6ed6cd6a8770c8fdd7927a28d044e9d80f280dc96380c655361be15',
  ],
  ['A1 B2 C3', '682 1364 2047', 'f3b52bbd1584147dafb9ea41acaab4e61be0fe7ba1aedc8bcec4c660cbc93c78'],
  [
    'A7 B200 C300',
    '64 1624 2405',
    'f9555bbc05cd3f5651302af147ff167157a6c03edcede954bfd7702faf324bc6',
  ],
  ['A1 B1', '2046 2047 0', 'd162dd00bf9c9e62f66d6cf5e808a7326705336774dc22f2ddb29414190ba12f'],
]
for (const [servers, counts, sha256] of tables) {
  t.test(`table of ${servers}`, async t => {
    const bench = new Bench('mh').addAll(servers)
    const letters = fillTable(bench.dests, 4)
      .map(dest => bench.nameOf(dest))
      .join('')
    t.equal(letters.length, 4093)
    t.equal('ABC'.replace(/./g, name => `${letters.split(name).length - 1} `).trim(), counts)
    t.equal(createHash('sha256').update(letters).digest('hex'), sha256)
    if (servers === 'A1 B1 C1') {
      t.equal(letters.slice(0, 40), 'ABBCCABCCAABBAACBBAACBCCBABAACCBACCBCACA')
    }
  })
}

t.test('an IPv4 service sees one word of a tunnelled IPv6 server (ip_vs_mh_hashkey)', async t => {
  const world = new World()
  const tunnelled = (text: string) => world.addDest(text, 80, { method: TUNNEL })
  const near = [tunnelled('10.0.0.1'), tunnelled('2001:db8::1')]
  const far = [near[0]!, tunnelled('2001:db8:0:1::7777')]
  const shape = (dests: Dest[], family: number) =>
    fillTable(dests, family).map(dest => (dest.family === 6 ? 'x' : '-'))
  t.strictSame(shape(near, 4), shape(far, 4), 'the same 32 bits in front')
  t.notSame(shape(near, 6), shape(far, 6))
})

t.test('who serves whom', async t => {
  const clients = ['198.51.100.5', '198.51.100.6', '203.0.113.77', '192.0.2.200']
  const bare = new Bench('mh').addAll('A1 B1 C1')
  t.equal(clients.map(client => bare.pick(client, 49153)).join(' '), 'A C B C')
  const withPort = new Bench('mh', { usePort: true }).addAll('A1 B1 C1')
  t.equal(clients.map(client => withPort.pick(client, 49153)).join(' '), 'B C C A')
})

t.test('quiescing a server moves nobody else', async t => {
  const bench = new Bench('mh', { fallback: true }).addAll('A1 B1 C1')
  const clients = Array.from({ length: 256 }, (_, i) => `192.0.2.${i}`)
  const before = clients.map(client => bench.pick(client))
  bench.edit('B', 0)
  const after = clients.map(client => bench.pick(client))
  const moved = clients.filter((_, i) => before[i] !== 'B' && before[i] !== after[i])
  t.strictSame(moved, [])
  t.ok(before.includes('B') && !after.includes('B') && !after.includes('-'))
})
