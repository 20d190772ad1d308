/**
 * Asks a UDP service: `udp-client.js ORDER` (JSON, lab/udp-format.ts). Each query has a socket, so a
 * source port, of its own, hence is a new connection to a balancer: sockets stay open to the end, or
 * the kernel would give a port a second time. Prints a report as JSON.
 */
import { createSocket, type Socket } from 'node:dgram'
import { payload } from '../payload.js'
import { NAME_OCTETS, type UdpOrder, type UdpReport } from '../udp-format.js'

const order = JSON.parse(process.argv[2]!) as UdpOrder
const sockets: Socket[] = []
const report: UdpReport = { servers: {}, answered: 0, corrupt: 0, lost: 0, errors: {} }

function ask(octets: number, number: number): Promise<void> {
  const query = payload(`query/${number}`, octets)
  const socket = createSocket(order.address.includes(':') ? 'udp6' : 'udp4')
  sockets.push(socket)
  return new Promise(resolve => {
    const end = (count: () => void) => {
      clearTimeout(timer)
      socket.removeAllListeners().on('error', () => undefined)
      count()
      resolve()
    }
    const timer = setTimeout(() => end(() => report.lost++), order.deadlineMs)
    socket.on('message', answer => end(() => judge(query, answer)))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(() => tally(report.errors, error.code ?? error.message)),
    )
    // Connected, so that ICMP errors about the query are reported to it.
    socket.connect(order.port, order.address, () => socket.send(query))
  })
}

function judge(query: Buffer, answer: Buffer): void {
  report.answered++
  const name = answer.toString('latin1', 0, NAME_OCTETS).replace(/\0+$/, '')
  tally(report.servers, name)
  if (!answer.subarray(NAME_OCTETS).equals(query)) report.corrupt++
}

function tally(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}

const queue = order.sizes.entries()
const worker = async () => {
  for (const [number, octets] of queue) await ask(octets, number)
}
await Promise.all(Array.from({ length: order.parallel }, worker))
for (const socket of sockets) socket.close()
process.stdout.write(JSON.stringify(report))
