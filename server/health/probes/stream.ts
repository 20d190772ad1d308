/** TCP and TLS connections of probes: bounded by their run, every error a reason and a sentence. */
import { connect, isIP, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect as connectTls,
  type ConnectionOptions,
  type TLSSocket,
} from 'node:tls'
import type { TlsFields } from '../check-spec.js'
import { printableText } from '../printable.js'
import type { FailureReason } from '../run-result.js'
import type { Run } from '../run.js'
import { judgeCertificate } from './certificate.js'
import { endpointText } from './probe.js'
import { secureContextOf } from './secure-context.js'

/** Small, so that an endless answer is taken in small pieces and costs little before it is ended. */
const READ_OCTETS = 16 * 1024

/** Connects and calls `open` once; with TLS after a handshake and a certificate that are right. */
export function openStream(run: Run, tls: TlsFields | null, open: (socket: Socket) => void): void {
  const { address, port } = run.target
  run.note('target', endpointText(address, port))
  run.waitingFor = `the connection to ${endpointText(address, port)}`
  const where = {
    ...{ host: address, port, highWaterMark: READ_OCTETS, noDelay: true, autoSelectFamily: false },
    ...(run.sourceAddress === null ? {} : { localAddress: run.sourceAddress }),
    ...(run.sourcePort === 0 ? {} : { localPort: run.sourcePort }),
  }
  const socket = tls === null ? connect(where) : startTls(run, tls, where, open)
  if (socket === null) return
  run.onEnd(() => {
    // A reset leaves no TIME_WAIT behind: a thousand checks a second would use up the ports. The
    // handle under TLS is OpenSSL's, and must not be reset behind its back.
    if (tls === null) socket.resetAndDestroy()
    else socket.destroy()
  })
  socket.on('error', (error: Error) =>
    run.fail(...faultOf(error, tls === null ? 'internal' : 'tls')),
  )
  socket.once('connect', () => {
    run.note('connect', `connected from ${endpointText(socket.localAddress!, socket.localPort!)}`)
    if (tls === null) open(socket)
    else run.waitingFor = 'the TLS handshake'
  })
}

/** Writes and says so in the transcript. */
export function send(run: Run, socket: Socket, octets: Buffer, what: string): void {
  run.note('send', what, octets)
  socket.write(octets)
}

/** Null when the run has failed already. */
function startTls(
  run: Run,
  tls: TlsFields,
  where: ConnectionOptions,
  open: (socket: Socket) => void,
): TLSSocket | null {
  const { serverName } = tls
  const socket = tlsSocketOf(
    run,
    {
      ...where,
      // Judged below, where there is a better sentence for it.
      rejectUnauthorized: false,
      checkServerIdentity: (_host, certificate) =>
        serverName === null ? undefined : checkServerIdentity(serverName, certificate),
      // An address is only compared: RFC 6066 section 3 has no SNI for it.
      ...(serverName === null || isIP(serverName) > 0 ? {} : { servername: serverName }),
    },
    tls.ca,
  )
  socket?.once('end', () => run.fail('closed', 'The peer closed the connection in the handshake.'))
  socket?.once('secureConnect', () => {
    socket.removeAllListeners('end')
    run.note('tls', `${socket.getProtocol()}, ${socket.getCipher().name}`)
    if (judgeCertificate(run, tls, socket)) open(socket)
  })
  return socket
}

function tlsSocketOf(run: Run, options: ConnectionOptions, ca: string | null): TLSSocket | null {
  try {
    return connectTls({ ...options, secureContext: secureContextOf(ca) })
  } catch (error) {
    run.fail('tls', `TLS cannot be set up: ${(error as Error).message}.`)
    return null
  }
}

const REASONS: Readonly<Record<string, readonly [FailureReason, string]>> = {
  ECONNREFUSED: ['refused', 'The connection was refused.'],
  ECONNRESET: ['closed', 'The peer reset the connection.'],
  EPIPE: ['closed', 'The peer closed the connection.'],
  ETIMEDOUT: ['timeout', 'The peer does not answer.'],
  EHOSTUNREACH: ['unreachable', 'The host is unreachable.'],
  ENETUNREACH: ['unreachable', 'There is no route to the target.'],
  EHOSTDOWN: ['unreachable', 'The host does not answer its neighbours.'],
  ENETDOWN: ['unreachable', 'The interface to the target is down.'],
  ENONET: ['unreachable', 'A router says that the host is not there.'],
  // What an ICMP protocol unreachable becomes: a tunnel without an end, for example.
  ENOPROTOOPT: ['unreachable', 'A host on the way does not know the protocol (ICMP).'],
  EADDRNOTAVAIL: ['internal', 'The source address is not on this host, or it has no free port.'],
  EADDRINUSE: ['internal', 'The source port is in use.'],
  EACCES: ['unreachable', 'The host or a router forbids it.'],
  EPERM: ['unreachable', 'The host filters it.'],
  EMFILE: ['internal', 'Sluice has too many open files.'],
  ENOBUFS: ['internal', 'The host is out of memory for sockets.'],
}

/** What openssl says of an answer that is not TLS at all. */
const NO_TLS = ['wrong version number', 'http request', 'unknown protocol']

/** An error of a socket as reason and sentence. Of OpenSSL's, `reason` is the part for people. */
export function faultOf(
  error: Error & { code?: string; reason?: string },
  other: FailureReason = 'internal',
): [FailureReason, string] {
  if (error.code?.startsWith('ERR_SSL_') === true && error.reason !== undefined) {
    if (NO_TLS.includes(error.reason)) return ['tls', 'The peer does not speak TLS.']
    return ['tls', `The TLS handshake failed: ${printableText(error.reason)}.`]
  }
  const known = REASONS[error.code ?? '']
  return known ? [...known] : [other, `${printableText(error.message)}.`]
}
