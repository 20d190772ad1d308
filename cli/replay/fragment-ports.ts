import type { Packet } from '../../dataplane/packet.js'
import { IPV4 } from '../../dataplane/packet.js'
import * as ipv4 from '../../dataplane/wire/ipv4.js'
import * as ipv6Extension from '../../dataplane/wire/ipv6-extension.js'
import * as ipv6Fragment from '../../dataplane/wire/ipv6-fragment.js'

/** Datagrams remembered; more are never in flight in a capture that makes sense. */
const DATAGRAMS_MAX = 4096

/** Remembers the ports of first fragments, so that the later ones can be told whose they are. */
export class FragmentPorts {
  readonly #ports = new Map<string, readonly [srcPort: number, dstPort: number]>()

  /** Learns from a first fragment, or fills in the ports of a later one. */
  complete(pkt: Packet): void {
    const { flow } = pkt
    const key = keyOf(pkt)
    if (pkt.fragmentOffset === 0) {
      if (this.#ports.size >= DATAGRAMS_MAX) this.#ports.clear()
      this.#ports.set(key, [flow.srcPort, flow.dstPort])
      return
    }
    const known = this.#ports.get(key)
    if (known === undefined) return
    flow.srcPort = known[0]
    flow.dstPort = known[1]
  }
}

function keyOf({ flow: f, view, l3, end }: Packet): string {
  const addresses = [f.src0, f.src1, f.src2, f.src3, f.dst0, f.dst1, f.dst2, f.dst3].join()
  if (f.family === IPV4) return `${addresses} ${f.protocol} ${ipv4.identification(view, l3)}`
  const upper = new ipv6Extension.UpperLayer()
  ipv6Extension.walk(view, l3 + 6, l3 + 40, end, upper)
  return `${addresses} ${ipv6Fragment.identification(view, upper.fragmentAt)}`
}
