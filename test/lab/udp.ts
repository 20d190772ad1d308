import type { Namespace } from './namespace.js'
import { program } from './root.js'
import type { UdpOrder, UdpReport } from './udp-format.js'

const ENV = ['env', '-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE']

/** Sends UDP queries from a host, each from a port of its own, and tells what came back. */
export async function askUdp(
  host: Namespace,
  order: Pick<UdpOrder, 'address' | 'port' | 'sizes'> & Partial<UdpOrder>,
): Promise<UdpReport> {
  const whole: UdpOrder = { parallel: 8, deadlineMs: 3000, ...order }
  const command = [...ENV, process.execPath, program('udp-client'), JSON.stringify(whole)]
  return JSON.parse(await host.must(command, { deadlineMs: 120_000 })) as UdpReport
}

/** Opens `count` UDP connections from these source addresses; returns how many were sent. */
export async function openFlows(
  host: Namespace,
  to: { address: string; port: number; count: number; sources: readonly string[] },
): Promise<number> {
  const { address, port, count, sources } = to
  const numbers = [address, String(port), String(count), ...sources]
  const command = [...ENV, process.execPath, program('open-flows'), ...numbers]
  return Number(await host.must(command, { deadlineMs: 120_000 }))
}
