import { join } from 'node:path'
import { SERVER_DEVICE, VIP } from './cast.js'
import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'
import { ROOT } from './root.js'

export const GUE_PORT = 6080
const TUN = 'tun0'

export interface TunnelReport {
  /** How many of each, e.g. "gre+checksum 6in4". */
  kinds: Record<string, number>
  /** Octets of the largest outer packet. */
  largest: number
  /** Outer fragments. */
  fragments: number
  faults: string[]
}

interface Ends {
  /** Addresses of the real server. */
  own: readonly string[]
  /** Routers on the way. */
  hops: number
  /** Addresses of the director that tunnelled packets come from. */
  from: readonly string[]
}

/** A real server's end of every kind of tunnel (programs/tunnel-end.py), with the VIP behind it. */
export class TunnelEnd {
  readonly #process: LabProcess

  private constructor(process: LabProcess) {
    this.#process = process
  }

  static async start(host: Namespace, { own, from, hops }: Ends): Promise<TunnelEnd> {
    // The kernel would answer packets of protocols that it does not know with ICMP errors.
    await host.nft(`table inet tunnel-end {
      chain input {
        type filter hook input priority filter; policy accept;
        meta l4proto { 4, 41, 47 } drop
        udp dport ${GUE_PORT} drop
      }
    }`)
    const program = join(ROOT, 'test/lab/programs/tunnel-end.py')
    const ends = [String(hops), own.join(','), from.join(',')]
    const command = ['/usr/bin/python3', program, SERVER_DEVICE, TUN, String(GUE_PORT), ...ends]
    const process = host.start(command, { name: 'tunnel end' })
    await process.waitFor(/ready\n/)
    await host.ip(`link set ${TUN} mtu 65535 up`)
    await holdAddresses(host)
    return new TunnelEnd(process)
  }

  /** What came in since the last report. */
  async report(): Promise<TunnelReport> {
    const before = this.#process.stdout.length
    this.#process.tell('report')
    const [line] = await this.#process.waitFor(/.*\n/, 5000, before)
    return JSON.parse(line) as TunnelReport
  }
}

/** The virtual addresses on a real server that answers clients itself: nobody may ask for them. */
export async function holdAddresses(host: Namespace): Promise<void> {
  await host.sysctl({ 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.conf.all.arp_announce': 2 })
  await host.ip(`addr add ${VIP.ipv4}/32 dev lo`, `addr add ${VIP.ipv6}/128 dev lo nodad`)
}
