/**
 * `echo-server.js PORT`: sends back what comes over TCP, one connection at a time, with blocking
 * system calls, so that Node's event loop adds nothing to what a client measures. Prints "ready".
 */
import * as tcp from '../blocking-tcp.js'

const listener = tcp.listen(Number(process.argv[2]))
const buffer = new Uint8Array(65_536)
process.stdout.write('ready\n')
for (;;) {
  const fd = tcp.accept(listener)
  for (let n = tcp.receive(fd, buffer); n > 0; n = tcp.receive(fd, buffer)) tcp.send(fd, buffer, n)
  tcp.close(fd)
}
