import type { CounterName } from '../../dataplane/counters.js'

/** What a drop reason means, for those whose name does not say it all. */
export const REASONS: Partial<Record<CounterName, string>> = {
  truncated: 'shorter than its headers claim',
  vlan: 'tagged for a VLAN, so of another interface',
  badIpHeader: 'the IP header is not valid',
  badIpChecksum: 'the checksum of the IP header is wrong',
  badTransportHeader: 'the transport header is cut short',
  martianSource: 'its source is this host, or an address that no host has',
  sourceRoute: 'it asks for a route of its own choice',
  notForUs: 'the link layer addressed it to another host, or to many',
  fragmentDuplicate: 'this part of the datagram is there already',
  reassemblyTimeout: 'the other fragments did not come in time',
  reassemblyOverlap: 'fragments contradict each other',
  reassemblyFull: 'too many half-received datagrams',
  noDest: 'no real server takes new connections',
  destUnavailable: 'its connection is to a real server that has been deleted',
  tableFull: 'the connection table is full',
  ttlExpired: 'its TTL or hop limit ran out',
  tooBig: 'larger than the MTU and not to be fragmented',
  noRoute: 'there is no route to where it goes',
  icmpBadChecksum: 'the ICMP checksum is wrong',
  icmpMalformed: 'the ICMP error is not valid',
  icmpRateLimited: 'enough ICMP errors have been sent',
  serviceUnscheduled: 'the service has no scheduler',
  noBuffer: 'no buffer was left',
  internalError: 'a bug; please report it with the capture',
}
