/**
 * Keeps a NetworkTable equal to the kernel's tables: reads them once, then follows the notifications.
 *
 * Notifications and answers share one socket, so they arrive in the order in which the kernel made
 * them. Whatever may have been missed (the receive queue overran, a dump was interrupted, a
 * deletion of something unknown) is mended by reading the tables again: what a dump does not
 * confirm is taken out at its end.
 */
import type { DescriptorLedger } from '../sys/descriptors.js'
import { EAGAIN, EBUSY, EINTR, ENOBUFS, SystemError } from '../sys/errno.js'
import * as libc from '../sys/libc.js'
import { Mapping } from '../sys/mapping.js'
import { Poller } from '../sys/poller.js'
import { AF_NETLINK, MSG_DONTWAIT, openSocket, setBuffer } from '../sys/socket.js'
import { IPV4 } from '../packet.js'
import type { Placement } from './fib.js'
import * as netlink from './netlink-message.js'
import type { NeighbourAddress } from './neighbours.js'
import { DUMP_KINDS, type DumpKind, type NetworkTable } from './network-table.js'
import * as decode from './rtnetlink-decode.js'

const NETLINK_ROUTE = 0
const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
const RTM_NEWNEIGH = 28
const RTM_DELNEIGH = 29
const RTM_GETNEIGH = 30

// RTMGRP_LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
const GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400

/** Request type and size of the fixed part of each dump. */
const DUMPS = {
  links: { type: RTM_GETLINK, fixed: 16 },
  addresses: { type: RTM_GETADDR, fixed: 8 },
  routes: { type: RTM_GETROUTE, fixed: 12 },
  neighbours: { type: RTM_GETNEIGH, fixed: 12 },
} as const satisfies Record<DumpKind, { type: number; fixed: number }>

/** The kernel fills at most 32 KiB a message block; a whole block must fit (or it is truncated). */
const BUFFER_OCTETS = 1 << 17
/** Requests are built behind it: they are sent while a block is being read. */
const REQUEST_OCTETS = 4096
/** Ten thousand routes changing at once must not overrun it. */
const RECEIVE_OCTETS = 8 << 20
/** Blocks read in one call: some thousand changes, a few milliseconds. */
const BLOCKS_PER_CALL = 64
const START_TIMEOUT_MS = 5000
/** Neighbours nudged in one call, once a second: ARP traffic stays negligible. */
const NUDGES_PER_CALL = 32

const AF_INET = 2
const AF_INET6 = 10
const NTF_USE = 0x01

export class Rtnetlink {
  /** Readable when there is something to `process`. */
  readonly descriptor: number
  readonly #network: NetworkTable
  readonly #ledger: DescriptorLedger
  readonly #buffer: Mapping
  readonly #v: DataView
  readonly #bytes: Uint8Array
  #sequence = 0
  /** Tables still to be read; the first of them is being read while `#dumping`. */
  #pending: DumpKind[] = []
  #dumping = false
  #interrupted = false
  #linksChanged = false
  /** Something about routes did not fit; mended at the next tick, so that it cannot storm. */
  #doubtful = false

  /** Subscribes and reads all tables, which blocks for milliseconds. Throws SystemError. */
  constructor(network: NetworkTable, ledger: DescriptorLedger) {
    this.#network = network
    this.#ledger = ledger
    this.#buffer = new Mapping(ledger, BUFFER_OCTETS + REQUEST_OCTETS)
    this.#v = new DataView(this.#buffer.buffer)
    this.#bytes = new Uint8Array(this.#buffer.buffer)
    this.descriptor = openSocket(ledger, AF_NETLINK, NETLINK_ROUTE)
    setBuffer(this.descriptor, 'receive', RECEIVE_OCTETS)
    const address = new Uint8Array(12) // struct sockaddr_nl: u16 family, u32 pid, u32 groups
    const v = new DataView(address.buffer)
    v.setUint16(0, AF_NETLINK, libc.HOST_ORDER)
    v.setUint32(8, GROUPS, libc.HOST_ORDER)
    libc.must('bind netlink', libc.bindSocket(this.descriptor, address, address.length))
    this.#start()
  }

  /** Whether everything there was at the last (re)start has been read. */
  get synchronized(): boolean {
    return this.#pending.length === 0
  }

  #start(): void {
    this.resynchronize()
    const poller = new Poller(this.#ledger)
    poller.watch([this.descriptor])
    const deadlineMs = performance.now() + START_TIMEOUT_MS
    try {
      while (!this.synchronized) {
        const leftMs = Math.ceil(deadlineMs - performance.now())
        if (leftMs <= 0) throw new Error('rtnetlink: no answer from the kernel')
        poller.wait(Math.min(leftMs, 100))
        this.process()
      }
    } finally {
      poller.close()
    }
  }

  /** Reads all tables again, without stopping what is known from being used. */
  resynchronize(): void {
    this.#require(DUMP_KINDS)
  }

  /**
   * Takes in what has arrived; never blocks. All of it makes at most one new generation. Returns
   * whether links changed: then the driver is to look at its ports before the next packet.
   */
  process(): boolean {
    this.#network.begin()
    this.#linksChanged = false
    for (let block = 0; block < BLOCKS_PER_CALL; block++) if (!this.#read()) break
    this.#network.commit()
    return this.#linksChanged
  }

  /**
   * Once a second: has the kernel verify neighbours that we send to and that it does not know to
   * be alive, and reads again what turned out to be wrong.
   */
  tick(): void {
    if (this.#doubtful) this.#require(['routes'])
    this.#doubtful = false
    for (const neighbour of this.#network.staleInUse(NUDGES_PER_CALL)) this.#use(neighbour)
  }

  close(): void {
    this.#ledger.close(this.descriptor)
    this.#buffer.close()
  }

  /** Reads one block of messages; false when there is none. */
  #read(): boolean {
    const octets = libc.recv(this.descriptor, this.#buffer.address, BUFFER_OCTETS, MSG_DONTWAIT)
    if (octets < 0) {
      const error = libc.errno()
      if (error === EINTR) return true
      if (error === ENOBUFS) this.resynchronize()
      else if (error !== EAGAIN) throw new SystemError('recv netlink', error)
      return error === ENOBUFS
    }
    this.accept(this.#v, octets)
    return octets > 0
  }

  /** Takes in a block of messages as the kernel sends them. Public for tests. */
  accept(v: DataView, octets: number): void {
    for (let at = 0; netlink.isValid(v, at, octets); at = netlink.next(v, at)) {
      this.#message(v, at, at + netlink.length(v, at))
    }
  }

  #message(v: DataView, at: number, end: number): void {
    const type = netlink.type(v, at)
    const flags = netlink.flags(v, at)
    const ours = this.#dumping && netlink.sequence(v, at) === this.#sequence
    if (ours && (flags & netlink.NLM_F_DUMP_INTR) !== 0) this.#interrupted = true
    const from = at + netlink.HEADER
    if (type === netlink.NLMSG_DONE) this.#finished(ours)
    else if (type === netlink.NLMSG_ERROR) this.#failed(ours, v, from, end)
    else if (type === RTM_NEWLINK || type === RTM_DELLINK) this.#link(type, v, from, end)
    else if (type === RTM_NEWADDR || type === RTM_DELADDR) this.#address(type, v, from, end)
    else if (type === RTM_NEWROUTE || type === RTM_DELROUTE) this.#route(type, flags, v, from, end)
    else if (type === RTM_NEWNEIGH || type === RTM_DELNEIGH) this.#neighbour(type, v, from, end)
  }

  #link(type: number, v: DataView, from: number, end: number): void {
    const link = decode.link(v, from, end)
    if (link === null) return
    this.#linksChanged = true
    const wasUp = this.#network.links.get(link.ifIndex)?.up ?? false
    if (type === RTM_NEWLINK) this.#network.setLink(link)
    else this.#network.removeLink(link.ifIndex)
    // Routes die with their link without a word (fib_sync_down_dev), and so do next hops of
    // multipath routes, which come to life again with it or its carrier (fib_sync_up, fib6_ifup).
    // The kernel tells of a link before it does that, hence a second look a little later.
    if (wasUp === (type === RTM_NEWLINK && link.up)) return
    this.#require(['routes'])
    this.#doubtful = true
  }

  #address(type: number, v: DataView, from: number, end: number): void {
    const address = decode.address(v, from, end)
    if (address === null) return
    if (type === RTM_NEWADDR) this.#network.setAddress(address)
    else {
      this.#network.removeAddress(address)
      // So do those that prefer it as their source (fib_sync_down_addr).
      if (address.family === IPV4) this.#require(['routes'])
    }
  }

  #route(type: number, flags: number, v: DataView, from: number, end: number): void {
    const route = decode.route(v, from, end)
    if (route === null) return
    if (type === RTM_NEWROUTE) this.#network.addRoute(route, placement(flags))
    else if (!this.#network.removeRoute(route)) this.#doubtful = true
  }

  #neighbour(type: number, v: DataView, from: number, end: number): void {
    const decoded = decode.neighbour(v, from, end)
    if (decoded === null) return
    const { address, state, mac } = decoded
    if (type === RTM_NEWNEIGH) this.#network.setNeighbour(address, state, mac)
    else this.#network.removeNeighbour(address)
  }

  /** Has those tables read, after what is being read now. */
  #require(kinds: readonly DumpKind[]): void {
    const current = this.#dumping ? this.#pending[0] : undefined
    if (current !== undefined && kinds.includes(current)) this.#interrupted = true
    for (const kind of DUMP_KINDS)
      if (kinds.includes(kind) && !this.#pending.includes(kind)) this.#pending.push(kind)
    if (!this.#dumping) this.#dump()
  }

  /** Asks for the first pending table. */
  #dump(): void {
    const kind = this.#pending[0]
    if (kind === undefined) return
    this.#dumping = true
    this.#interrupted = false
    this.#network.beginDump(kind)
    const { type, fixed } = DUMPS[kind]
    this.#send(type, netlink.NLM_F_REQUEST | netlink.NLM_F_DUMP, new Uint8Array(fixed))
  }

  #finished(ours: boolean): void {
    if (!ours) return
    this.#dumping = false
    // What changed while it was being read may be in neither part: read it once more.
    if (!this.#interrupted) this.#network.endDump(this.#pending.shift()!)
    this.#dump()
  }

  #failed(ours: boolean, v: DataView, from: number, end: number): void {
    if (!ours || end - from < 4) return
    const error = -v.getInt32(from, libc.HOST_ORDER)
    this.#dumping = false
    if (error === EBUSY) this.#dump()
    // A table that this kernel does not have (no IPv6) stays empty.
    else this.#finishedWithout()
  }

  #finishedWithout(): void {
    this.#pending.shift()
    this.#dump()
  }

  #use({ ifIndex, family, w0, w1, w2, w3 }: NeighbourAddress): void {
    const fixed = new Uint8Array(12) // struct ndmsg
    const v = new DataView(fixed.buffer)
    v.setUint8(0, family === IPV4 ? AF_INET : AF_INET6)
    v.setInt32(4, ifIndex, libc.HOST_ORDER)
    v.setUint8(10, NTF_USE)
    const value = new Uint8Array(family === IPV4 ? 4 : 16)
    const words = new DataView(value.buffer)
    const address = [w0, w1, w2, w3]
    for (let i = 0; i < value.length; i += 4) words.setInt32(i, address[i >>> 2]!)
    // Without NLM_F_CREATE: one that has gone meanwhile is none of our making.
    this.#send(RTM_NEWNEIGH, netlink.NLM_F_REQUEST, fixed, [{ type: 1, value }], 0)
  }

  /** Sends a request. Only those with a sequence number of their own have answers that count. */
  #send(
    type: number,
    flags: number,
    fixed: Uint8Array,
    attributes: readonly netlink.OutgoingAttribute[] = [],
    sequence = (this.#sequence = (this.#sequence + 1) >>> 0 || 1),
  ): void {
    const message = netlink.build({ type, flags, sequence }, fixed, attributes)
    this.#bytes.set(message, BUFFER_OCTETS)
    const address = this.#buffer.address + BUFFER_OCTETS
    libc.sendto(this.descriptor, address, message.length, MSG_DONTWAIT, 0, 0)
  }
}

function placement(flags: number): Placement {
  if ((flags & netlink.NLM_F_REPLACE) !== 0) return 'replace'
  return (flags & netlink.NLM_F_CREATE) !== 0 && (flags & netlink.NLM_F_APPEND) === 0
    ? 'first'
    : 'append'
}
