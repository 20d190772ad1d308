import t from 'tap'
import * as virtioNet from '../../../dataplane/wire/virtio-net.js'
import { fromHex, toHex } from '../../fixtures/packets.js'

// The layout of include/uapi/linux/virtio_net.h by hand: NEEDS_CSUM, TCPV4 with ECN, 66 octets of
// headers, segments of 1448, checksum 16 octets into what starts at 34; little-endian.
const HEADER = '0181' + '4200' + 'a805' + '2200' + '1000'

t.test('reads the header', async t => {
  const v = new DataView(fromHex(HEADER).buffer)
  t.equal(virtioNet.flags(v, 0), virtioNet.NEEDS_CSUM)
  t.equal(virtioNet.gsoType(v, 0), virtioNet.GSO_TCPV4 | virtioNet.GSO_ECN)
  t.equal(virtioNet.hdrLen(v, 0), 66)
  t.equal(virtioNet.gsoSize(v, 0), 1448)
  t.equal(virtioNet.csumStart(v, 0), 34)
  t.equal(virtioNet.csumOffset(v, 0), 16)
  t.ok(virtioNet.needsChecksum(v, 0))
  t.ok(virtioNet.isGso(v, 0))
})

t.test('writes and clears it, and nothing around it', async t => {
  const bytes = new Uint8Array(12).fill(0xa5)
  const v = new DataView(bytes.buffer)
  virtioNet.setFlags(v, 1, virtioNet.NEEDS_CSUM)
  virtioNet.setGsoType(v, 1, virtioNet.GSO_TCPV4 | virtioNet.GSO_ECN)
  virtioNet.setHdrLen(v, 1, 66)
  virtioNet.setGsoSize(v, 1, 1448)
  virtioNet.setCsumStart(v, 1, 34)
  virtioNet.setCsumOffset(v, 1, 16)
  t.equal(toHex(bytes), `a5${HEADER}a5`)
  virtioNet.clear(v, 1)
  t.equal(toHex(bytes), `a5${'00'.repeat(10)}a5`)
  t.notOk(virtioNet.needsChecksum(v, 1))
  t.notOk(virtioNet.isGso(v, 1))
})
