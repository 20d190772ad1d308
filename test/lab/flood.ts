/** A flood of small datagrams, and the counter at the other end that says what became of it. */
import { CLIENT, CLIENT_DEVICE, DIRECTOR_DEVICES, SERVER_DEVICE, type Family } from './cast.js'
import type { FloodOrder } from './flood-format.js'
import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'
import { SINK_PORT } from './real-server.js'
import { Resident } from './resident.js'
import { program } from './root.js'

export interface Flood {
  sentPps: number
  /** Counted where the real server receives. */
  deliveredPps: number
}

export type FloodShape = Pick<FloodOrder, 'address' | 'port' | 'flows' | 'seconds'> &
  Partial<
    Pick<FloodOrder, 'ports' | 'sources' | 'octets' | 'burst' | 'warmS' | 'pps' | 'naps' | 'nice'>
  >

const CLIENT_ENV = { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' }
const FIRST_PORT = 10_000

/** Sends from `client` through `director` and counts what `sink` received meanwhile. */
export async function flood(
  client: Namespace,
  director: Namespace,
  sink: Sink,
  shape: FloodShape,
): Promise<Flood> {
  const sender = await startFlood(client, director, shape)
  const before = sink.received()
  const [, sent] = await sender.waitFor(/end (\d+)\n/, shape.seconds * 1000 + 30_000)
  const deliveredPps = rateBetween(before, sink.received())
  await sender.exited
  return { sentPps: Number(sent) / shape.seconds, deliveredPps }
}

/** Starts sending; on return it has warmed up, and it stops by itself after `seconds`. */
export async function startFlood(
  client: Namespace,
  director: Namespace,
  shape: FloodShape,
): Promise<LabProcess> {
  const family: Family = shape.address.includes(':') ? 'ipv6' : 'ipv4'
  const order: FloodOrder = {
    ...{ device: CLIENT_DEVICE, source: CLIENT[family], sourcePort: FIRST_PORT },
    ...{ from: await macOf(client, CLIENT_DEVICE), to: await macOf(director, DIRECTOR_DEVICES[0]) },
    ...{ octets: 18, warmS: 0.5, ...shape },
  }
  // Or veth would hand offload frames over whole.
  if ((shape.burst ?? 1) > 1)
    await client.must(['ethtool', '-K', CLIENT_DEVICE, 'tx-udp-segmentation', 'off'])
  const command = [process.execPath, program('flood'), JSON.stringify(order)]
  const sender = client.start(command, { name: 'flood', env: CLIENT_ENV })
  await sender.waitFor(/begin\n/, order.warmS * 1000 + 60_000)
  return sender
}

/** What an interface had received, and when that was read. */
export interface Reading {
  packets: number
  octets: number
  ms: number
}

/** Packets a second. */
export const rateBetween = (before: Reading, after: Reading): number =>
  ((after.packets - before.packets) / (after.ms - before.ms)) * 1000

/**
 * A real server that throws away what comes to some UDP ports before its stack sees it, so that the
 * receiver is never what limits. Interfaces count every frame; nftables counts those that an eBPF
 * program (programs/udp-sink.ts) lets pass, so `check` proves the one by the other.
 */
export class Sink {
  readonly #host: Namespace
  readonly #resident: Resident
  readonly #begin: number

  private constructor(host: Namespace, resident: Resident) {
    this.#host = host
    this.#resident = resident
    this.#begin = this.received().packets
  }

  /** Drops what comes to the ports from `port` on, `ports` of them. */
  static async start(host: Namespace, port = SINK_PORT, ports = 1): Promise<Sink> {
    const last = port + ports - 1
    // Kernels before 6.6 have no such programs; then the rule does it all.
    await host.nft(`table netdev sink {
      counter others {}
      chain ingress {
        type filter hook ingress device ${SERVER_DEVICE} priority 0; policy accept;
        udp dport ${port}-${last} drop
        counter name others
      }
    }`)
    const command = [process.execPath, program('udp-sink'), SERVER_DEVICE, port, last].map(String)
    const dropper = host.start(command, { name: 'udp-sink', env: CLIENT_ENV })
    await dropper.waitFor(/ready/).catch(() => undefined)
    return new Sink(host, await Resident.start(host))
  }

  /** Frames received since the interface was made, and when that was read. */
  received(): Reading {
    return { ...this.#resident.received(SERVER_DEVICE), ms: performance.now() }
  }

  /** Throws unless what the interface received was, but for one in a hundred, the flood. */
  async check(): Promise<void> {
    const text = await this.#host.must(['nft', 'list', 'counter', 'netdev', 'sink', 'others'])
    const others = Number(/packets (\d+)/.exec(text)?.[1])
    const received = this.received().packets - this.#begin
    if (others <= received / 100 + 100) return
    throw new Error(`the real server received ${received} frames, of which ${others} were not ours`)
  }
}

async function macOf(host: Namespace, device: string): Promise<string> {
  return (await host.must(['cat', `/sys/class/net/${device}/address`])).trim()
}
