/** A flood of small datagrams, and the counter at the other end that says what became of it. */
import { CLIENT, CLIENT_DEVICE, DIRECTOR_DEVICES, SERVER_DEVICE, type Family } from './cast.js'
import type { FloodOrder } from './flood-format.js'
import type { Namespace } from './namespace.js'
import { SINK_PORT } from './real-server.js'
import { Resident } from './resident.js'
import { program } from './root.js'

export interface Flood {
  sentPps: number
  /** Counted where the real server receives. */
  deliveredPps: number
}

export type FloodShape = Pick<FloodOrder, 'address' | 'port' | 'flows' | 'seconds'> &
  Partial<Pick<FloodOrder, 'ports' | 'sources' | 'octets' | 'warmS' | 'pps'>>

const CLIENT_ENV = { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' }
const FIRST_PORT = 10_000

/** Sends from `client` through `director` and counts what `sink` received meanwhile. */
export async function flood(
  client: Namespace,
  director: Namespace,
  sink: Sink,
  shape: FloodShape,
): Promise<Flood> {
  const family: Family = shape.address.includes(':') ? 'ipv6' : 'ipv4'
  const order: FloodOrder = {
    ...{ device: CLIENT_DEVICE, source: CLIENT[family], sourcePort: FIRST_PORT },
    ...{ from: await macOf(client, CLIENT_DEVICE), to: await macOf(director, DIRECTOR_DEVICES[0]) },
    ...{ octets: 18, warmS: 0.5, ...shape },
  }
  const command = [process.execPath, program('flood'), JSON.stringify(order)]
  const sender = client.start(command, { name: 'flood', env: CLIENT_ENV })
  const deadlineMs = (order.warmS + order.seconds) * 1000 + 15_000
  await sender.waitFor(/begin\n/, deadlineMs)
  const before = sink.received()
  const [, sent] = await sender.waitFor(/end (\d+)\n/, deadlineMs)
  const after = sink.received()
  await sender.exited
  const elapsedS = (after.ms - before.ms) / 1000
  return {
    sentPps: Number(sent) / order.seconds,
    deliveredPps: (after.packets - before.packets) / elapsedS,
  }
}

/**
 * A real server that throws away what comes to SINK_PORT before its stack sees it, so that the
 * receiver is never what limits. Interfaces count every frame; the rule that drops counts those that
 * are what was sent, so `check` proves the one by the other.
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

  static async start(host: Namespace, port = SINK_PORT): Promise<Sink> {
    await host.nft(`table netdev sink {
      counter hits {}
      chain ingress {
        type filter hook ingress device ${SERVER_DEVICE} priority 0; policy accept;
        udp dport ${port} counter name hits drop
      }
    }`)
    return new Sink(host, await Resident.start(host))
  }

  /** Frames received since the interface was made, and when that was read. */
  received(): { packets: number; octets: number; ms: number } {
    return { ...this.#resident.received(SERVER_DEVICE), ms: performance.now() }
  }

  /** Throws unless what the interface received was, but for one in a hundred, the flood. */
  async check(): Promise<void> {
    const text = await this.#host.must(['nft', 'list', 'counter', 'netdev', 'sink', 'hits'])
    const hits = Number(/packets (\d+)/.exec(text)?.[1])
    const received = this.received().packets - this.#begin
    if (hits >= received * 0.99 - 100) return
    throw new Error(`the real server received ${received} frames, of which only ${hits} were ours`)
  }
}

async function macOf(host: Namespace, device: string): Promise<string> {
  return (await host.must(['cat', `/sys/class/net/${device}/address`])).trim()
}
