/**
 * A real server's UDP side: `udp-server.js NAME PORT SINK-PORT`. Answers each datagram on PORT with
 * its name in 16 octets and what it was sent; swallows what comes to SINK-PORT.
 */
import { createSocket, type SocketType } from 'node:dgram'
import { NAME_OCTETS } from '../udp-format.js'

const [name = '', port, sink] = process.argv.slice(2)
const label = Buffer.alloc(NAME_OCTETS)
label.write(name)

let open = 0
// Two sockets a port: one dual-stack socket would see IPv4 clients under mapped addresses only.
for (const type of ['udp4', 'udp6'] satisfies SocketType[]) {
  const echo = createSocket({ type, ipv6Only: type === 'udp6', recvBufferSize: 4 << 20 })
  echo.on('message', (query, from) => echo.send([label, query], from.port, from.address))
  echo.bind(Number(port), () => {
    // From here on an error is an ICMP message about an earlier answer: the client's affair.
    echo.on('error', () => undefined)
    ready()
  })
  const hole = createSocket({ type, ipv6Only: type === 'udp6' })
  hole.bind(Number(sink), ready)
}

function ready(): void {
  if (++open === 4) process.stdout.write('ready\n')
}
