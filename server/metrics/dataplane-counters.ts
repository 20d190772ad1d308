/** What each counter of the dataplane means. One that is added without a meaning does not compile. */
import type { CounterName } from '../../dataplane/counters.js'

/** A drop is told under its reason, anything else as a family of its own. */
interface Meaning {
  help: string
  /** Without `sluice_dataplane_` and `_total`; absent: a reason for dropping a packet. */
  name?: string
}

export const MEANINGS: Readonly<Record<CounterName, Meaning>> = {
  received: { name: 'received_packets', help: 'Packets taken from the interfaces.' },
  forwarded: { name: 'forwarded_packets', help: 'Packets sent on, to real servers or to clients.' },
  answered: { name: 'answered_packets', help: 'Resets and ICMP errors that Sluice has sent.' },
  accepted: { name: 'accepted_packets', help: "Packets left to the host's own stack." },
  kernelEgress: {
    name: 'kernel_egress_packets',
    help: 'Packets sent through the kernel: their neighbour was not resolved yet, or is elsewhere.',
  },
  truncated: { help: 'Shorter than its headers claim.' },
  notIp: { help: 'Neither IPv4 nor IPv6.' },
  vlan: { help: 'Tagged for a VLAN, so of another interface.' },
  badIpHeader: { help: 'The IP header is not valid.' },
  badIpChecksum: { help: 'The checksum of the IP header is wrong.' },
  badTransportHeader: { help: 'The transport header is cut short.' },
  martianSource: { help: 'Its source is this host, or an address that no host has.' },
  sourceRoute: { help: 'It asks for a route of its own choice.' },
  notForUs: { help: 'The link layer addressed it to another host, or to many.' },
  fragmentHeld: { name: 'held_fragments', help: 'Fragments kept until their datagram is whole.' },
  fragmentDuplicate: { help: 'This part of the datagram was there already.' },
  reassembled: { name: 'reassembled_datagrams', help: 'Datagrams put together from fragments.' },
  reassemblyTimeout: { help: 'The other fragments did not come in time.' },
  reassemblyOverlap: { help: 'Fragments contradict each other.' },
  reassemblyFull: { help: 'Too many half-received datagrams.' },
  fragmentedOut: { name: 'fragmented_datagrams', help: 'Datagrams sent in fragments.' },
  noDest: { help: 'No real server takes new connections.' },
  refused: { help: 'Its service refuses new connections, by its policy.' },
  destUnavailable: { help: 'Its connection is to a real server that has been deleted.' },
  tableFull: { help: 'The connection table is full.' },
  ttlExpired: { help: 'Its TTL or hop limit ran out.' },
  tooBig: { help: 'Larger than the MTU and not to be fragmented.' },
  noRoute: { help: 'There is no route to where it goes.' },
  icmpBadChecksum: { help: 'The ICMP checksum is wrong.' },
  icmpMalformed: { help: 'The ICMP error is not valid.' },
  icmpRateLimited: { help: 'Enough ICMP errors have been sent.' },
  serviceUnscheduled: { help: 'The service has no scheduler.' },
  noEngineData: { help: 'The persistence engine found nothing to go by, such as a Call-ID.' },
  defenceDropPacket: { help: 'The defence drop_packet let it go to save memory.' },
  defenceDropEntry: {
    name: 'defence_dropped_entries',
    help: 'Half-open connections that the defence drop_entry has removed.',
  },
  killed: { name: 'killed_connections', help: 'Connections that an operator has ended.' },
  killedPacket: { help: 'It came for a connection that an operator has ended.' },
  badTransportChecksum: { help: 'The checksum is wrong, on a connection whose payload is read.' },
  helperExpected: { name: 'helper_expected_connections', help: 'Data connections announced.' },
  helperRefused: {
    name: 'helper_refused_announcements',
    help: 'Announcements of data connections to the address of somebody else.',
  },
  helperMalformed: {
    name: 'helper_malformed_announcements',
    help: 'Announcements of data connections that cannot be read.',
  },
  transmitFull: { help: 'The queue of the interface was full.' },
  transmitError: { help: 'The interface did not take it.' },
  noBuffer: { help: 'No buffer was left.' },
  ringFull: { help: 'The receive ring was full: the dataplane was too slow.' },
  segmented: { name: 'segmented_frames', help: 'Offload frames cut into segments in software.' },
  handedOver: { name: 'handed_over_packets', help: 'Packets given to the worker of their client.' },
  handoverFull: { help: 'The queue to the worker of its client was full.' },
  internalError: { help: 'A bug; the log has the packet.' },
}
