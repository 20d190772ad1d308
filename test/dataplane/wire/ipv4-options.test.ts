import t from 'tap'
import * as options from '../../../dataplane/wire/ipv4-options.js'
import { fromHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const viewOf = (octets: readonly number[]) => new DataView(Uint8Array.from(octets).buffer)

t.test('finds the options that scapy wrote', async t => {
  const v = new DataView(fromHex(SCAPY.TCP4_OPTIONS).buffer)
  t.equal(options.find(v, 20, 36, options.RECORD_ROUTE), 20)
  t.equal(options.length(v, 20, 36), 11)
  t.equal(options.find(v, 20, 36, options.ROUTER_ALERT), 31)
  t.equal(options.find(v, 20, 36, options.STRICT_SOURCE_ROUTE), 0)
})

t.test('NOPs are one octet, END ends the list', async t => {
  const v = viewOf([1, 1, 131, 3, 4, 0, 131, 3])
  t.equal(options.find(v, 1, 8, options.LOOSE_SOURCE_ROUTE), 2)
  t.equal(options.find(v, 5, 8, options.LOOSE_SOURCE_ROUTE), 0)
})

t.test('bad lengths are malformed, not read past', async t => {
  t.equal(options.find(viewOf([7, 0, 1, 1]), 0, 4, options.ROUTER_ALERT), -1, 'length 0')
  t.equal(options.find(viewOf([7, 1, 1, 1]), 0, 4, options.ROUTER_ALERT), -1, 'length 1')
  t.equal(options.find(viewOf([7, 5, 1, 1]), 0, 4, options.ROUTER_ALERT), -1, 'beyond the end')
  t.equal(options.find(viewOf([1, 1, 1, 7]), 0, 4, options.RECORD_ROUTE), -1, 'no length octet')
})
