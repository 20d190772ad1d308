import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'
import { IPERF_PORT } from './real-server.js'

export interface Bulk {
  /** Octets and rate counted by the receiver. */
  octets: number
  gbitS: number
  retransmits: number
}

/** What this file reads of iperf3's JSON report. */
interface Report {
  error?: string
  end: {
    sum_sent: { retransmits?: number }
    sum_received: { bytes: number; bits_per_second: number }
  }
}

export async function startIperf(host: Namespace, port = IPERF_PORT): Promise<LabProcess> {
  const server = host.start(['iperf3', '-s', '-p', String(port), '--forceflush'])
  await server.waitFor(/listening/)
  return server
}

export interface BulkOptions {
  down?: boolean
  port?: number
  /** The receiver, to be waited for when transfers follow each other. */
  server?: LabProcess
}

/** One TCP transfer to `address`: `amount` is `-t SECONDS` or `-n OCTETS`; `down` reverses it. */
export async function bulk(
  host: Namespace,
  address: string,
  amount: readonly string[],
  { down = false, port = IPERF_PORT, server }: BulkOptions = {},
): Promise<Bulk> {
  // It serves one at a time, and a proxy lets it know late that the one before has gone.
  await server?.waitFor(/Server listening[^\n]*\n-+\n$/)
  const order = ['-c', address, '-p', String(port), '-J', '--connect-timeout', '5000', ...amount]
  const command = ['iperf3', ...order, ...(down ? ['-R'] : [])]
  const { stdout, stderr } = await host.run(command, { deadlineMs: 90_000 })
  const report = parse(stdout)
  if (!report?.end || report.error)
    throw new Error(`iperf3: ${report?.error ?? (stderr || stdout)}`)
  const { bytes, bits_per_second: bits } = report.end.sum_received
  return { octets: bytes, gbitS: bits / 1e9, retransmits: report.end.sum_sent.retransmits ?? 0 }
}

function parse(text: string): Report | null {
  try {
    return JSON.parse(text) as Report
  } catch {
    return null
  }
}
