/**
 * Opens UDP connections in bulk: `open-flows.js ADDRESS PORT COUNT SOURCE…` sends one datagram from
 * each of COUNT source endpoints and prints how many it sent. Nobody has to answer.
 */
import { createSocket } from 'node:dgram'

const [address = '', port, count, ...sources] = process.argv.slice(2)
const PARALLEL = 64
const FIRST_PORT = 1024
const perSource = Math.ceil(Number(count) / sources.length)
let sent = 0

function* endpoints(): Generator<{ source: string; from: number }> {
  for (let i = 0; i < Number(count); i++) {
    yield { source: sources[Math.floor(i / perSource)]!, from: FIRST_PORT + (i % perSource) }
  }
}

const open = ({ source, from }: { source: string; from: number }): Promise<void> =>
  new Promise(resolve => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const end = () => socket.close(() => resolve())
    // A port that something else holds is not counted, so the caller sees it.
    socket.on('error', end)
    socket.bind({ address: source, port: from, exclusive: true }, () =>
      socket.send('open', Number(port), address, error => {
        if (!error) sent++
        end()
      }),
    )
  })

const queue = endpoints()
await Promise.all(
  Array.from({ length: PARALLEL }, async () => {
    for (const endpoint of queue) await open(endpoint)
  }),
)
process.stdout.write(`${sent}\n`)
