/**
 * A real server's UDP side: `udp-server.js NAME PORT SINK-PORT`. Answers each datagram on PORT with
 * its name in 16 octets and what it was sent. What comes to SINK-PORT is not answered, until
 * "answer" on standard input has the latest sender answered by a connected socket; what the kernel
 * tells that socket is printed, e.g. "answer: ECONNREFUSED" for an ICMP port unreachable.
 */
import { createSocket, type RemoteInfo, type SocketType } from 'node:dgram'
import { createInterface } from 'node:readline'
import { NAME_OCTETS } from '../udp-format.js'

const [name = '', port, sink] = process.argv.slice(2)
const label = Buffer.alloc(NAME_OCTETS)
label.write(name)

let open = 0
let latest: RemoteInfo | null = null

// Two sockets a port: one dual-stack socket would see IPv4 clients under mapped addresses only.
for (const type of ['udp4', 'udp6'] satisfies SocketType[]) {
  const echo = createSocket({ type, ipv6Only: type === 'udp6', recvBufferSize: 4 << 20 })
  echo.on('message', (query, from) => echo.send([label, query], from.port, from.address))
  echo.bind(Number(port), () => {
    // From here on an error is an ICMP message about an earlier answer: the client's affair.
    echo.on('error', () => undefined)
    ready()
  })
  const hole = createSocket({ type, ipv6Only: type === 'udp6', reuseAddr: true })
  hole.on('message', (_, from) => (latest = from))
  hole.bind(Number(sink), ready)
}

createInterface(process.stdin).on('line', line => {
  if (line === 'answer' && latest) answerLate(latest)
})

function answerLate({ family, address, port }: RemoteInfo): void {
  const socket = createSocket({ type: family === 'IPv6' ? 'udp6' : 'udp4', reuseAddr: true })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    process.stdout.write(`answer: ${error.code}\n`)
    socket.close()
  })
  socket.bind(Number(sink), () => socket.connect(port, address, () => socket.send('late')))
}

function ready(): void {
  if (++open === 4) process.stdout.write('ready\n')
}
