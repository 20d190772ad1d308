/** A connected UDP socket of a probe: only its peer's datagrams come in, and ICMP errors are seen. */
import { createSocket, type Socket } from 'node:dgram'
import type { Run } from '../run.js'
import { endpointText } from './probe.js'
import { faultOf } from './stream.js'

/** A peer that floods is not healthy, and not worth the time. */
const DATAGRAMS_MAX = 100

export interface Datagrams {
  send(octets: Buffer, what: string): void
}

/** Calls `open` when datagrams can be sent, then `receive` for each that comes. */
export function openDatagrams(
  run: Run,
  open: (datagrams: Datagrams) => void,
  receive: (octets: Buffer) => void,
): void {
  const { address, port } = run.target
  run.note('target', endpointText(address, port))
  const socket = createSocket({
    type: address.includes(':') ? 'udp6' : 'udp4',
    // Targets are addresses: nothing is ever looked up.
    lookup: (host, _options, done) => done(null, host, host.includes(':') ? 6 : 4),
  })
  run.onEnd(() => socket.close())
  socket.on('error', error => {
    // Port unreachable comes back as ECONNREFUSED on a connected socket (udp(7)).
    const [reason, detail] = faultOf(error)
    run.fail(reason, reason === 'refused' ? 'The port is unreachable (ICMP).' : detail)
  })
  let received = 0
  socket.on('message', octets => {
    if (++received > DATAGRAMS_MAX) return run.fail('oversize', 'There are too many answers.')
    run.note('receive', 'a datagram', octets)
    receive(octets)
  })
  const start = () =>
    socket.connect(port, address, () => {
      // A closed socket has no address to ask for.
      if (run.ended) return
      const own = socket.address()
      run.note('connect', `from ${endpointText(own.address, own.port)}`)
      open({ send: (octets, what) => sendOn(socket, run, octets, what) })
    })
  if (run.sourceAddress === null && run.sourcePort === 0) start()
  else
    socket.bind(
      {
        port: run.sourcePort,
        exclusive: true,
        ...(run.sourceAddress === null ? {} : { address: run.sourceAddress }),
      },
      start,
    )
}

function sendOn(socket: Socket, run: Run, octets: Buffer, what: string): void {
  run.note('send', what, octets)
  socket.send(octets, error => {
    if (error) socket.emit('error', error)
  })
}
