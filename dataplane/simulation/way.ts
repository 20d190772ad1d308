/** The last steps of a simulated packet: TTL, MTU and next hop. */
import type { Dest } from '../ipvs/dest.js'
import { overheadOctets } from '../ipvs/xmit/tunnel.js'
import { NextHop } from '../net/network.js'
import type { Simulation } from '../protocol.js'
import { FWD_MASK, TUNNEL } from '../shared/conn-record.js'
import * as address from '../wire/address.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as mac from '../wire/mac.js'
import type { Simulated } from './report.js'

type Way = Pick<Simulation, 'ttl' | 'mtu' | 'nextHop'>

const KINDS = ['ethernet', 'kernel', 'local', 'unreachable'] as const

/** `dest` is the real server that gets the packet, or whose packet it is. */
export function wayOf(simulated: Simulated, dest: Dest | undefined): Way {
  const { observed, parsed, real, ports } = simulated
  const nothing = { ttl: null, mtu: null, nextHop: null }
  const { counters, verdict, direction } = observed
  const to = direction === 'in' ? destination(simulated, dest) : parsed.flow
  const { forwarded, noRoute, tooBig, ttlExpired } = counters
  const isSent = forwarded || noRoute || tooBig || ttlExpired
  const isRefused = verdict === 'answered' && dest !== undefined
  if (to === null || direction === 'none' || !(isSent || isRefused)) return nothing
  const { family } = 'w0' in to ? to : parsed.flow
  const words = 'w0' in to ? [to.w0, to.w1, to.w2, to.w3] : wordsOf(to)
  const [w0, w1, w2, w3] = words as [number, number, number, number]
  const hop = real.network.reader().resolve(family, w0, w1, w2, w3)
  const isTunnel = direction === 'in' && dest !== undefined && method(dest) === TUNNEL
  const limit = isTunnel
    ? Math.min(hop.mtuOctets, dest.pathMtuOctets) - overheadOctets(dest)
    : hop.mtuOctets
  const { view, l3, end } = parsed
  const isEthernet = hop.kind === NextHop.ethernet
  return {
    ttl: {
      value: parsed.flow.family === 4 ? ipv4.ttl(view, l3) : ipv6.hopLimit(view, l3),
      outcome: counters.ttlExpired
        ? 'expired'
        : isSent && hop.kind !== NextHop.local
          ? 'enough'
          : 'notChecked',
    },
    mtu: {
      octets: end - l3,
      limitOctets: Number.isFinite(limit) ? limit : null,
      outcome: mtuOutcome(counters),
    },
    nextHop: {
      towards: address.format(family, w0, w1, w2, w3),
      kind: KINDS[hop.kind],
      interface: isEthernet ? (ports[hop.port]?.name ?? null) : null,
      macAddress: isEthernet ? mac.format(hop.dstMacHigh, hop.dstMacLow) : null,
    },
  }
}

function mtuOutcome(counters: Simulated['observed']['counters']) {
  if (counters.tooBig) return 'tooBig'
  if (counters.fragmentedOut) return 'fragmented'
  return counters.forwarded ? 'fits' : 'notChecked'
}

/** The real server's address; of a bypass connection the packet's own. */
function destination({ observed, parsed }: Simulated, dest: Dest | undefined) {
  if (dest !== undefined) return dest
  const forwarding = (observed.after ?? observed.before)?.record?.forwarding
  return forwarding === 'bypass' ? parsed.flow : null
}

const method = (dest: Dest): number => dest.connFlags & FWD_MASK

const wordsOf = ({ dst0, dst1, dst2, dst3 }: Simulated['parsed']['flow']) => [
  ...[dst0, dst1, dst2, dst3],
]
