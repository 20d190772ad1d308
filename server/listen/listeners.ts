/**
 * The sockets that the API is served on: one HTTP server each, with limits against clients that are
 * slow, many or endless, all of them in front of the same app.
 */
import { chmodSync, existsSync, lstatSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { setOrigin, type Origin } from '../auth/origin.js'
import { messageOf } from '../errors.js'
import { urlOf, type ListenAddress, type TcpAddress } from './listen-address.js'
import { answerClientError } from '../plugins/client-error.js'

/** What a listener allows its clients. Octets of all headers, milliseconds, connections. */
export const LIMITS = {
  maxHeaderSize: 16 * 1024,
  /** From the first octet of a connection or request to the end of its headers. */
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** An idle connection is kept for a next request. */
  keepAliveTimeout: 75_000,
  /** How often Node looks for those that are late. */
  connectionsCheckingInterval: 2_000,
  maxConnections: 2_000,
}
export type Limits = typeof LIMITS

/** Whoever may write to the admin socket may do everything: its owner alone. */
const ADMIN_MODE = 0o600
/** On other sockets a token is wanted, so the group may come in. */
const SOCKET_MODE = 0o660

export class Listeners {
  readonly #app: FastifyInstance
  readonly #limits: Limits
  readonly #servers: (Server | SecureServer)[] = []
  readonly #secure: SecureServer[] = []

  constructor(app: FastifyInstance, limits: Limits = LIMITS) {
    this.#app = app
    this.#limits = limits
  }

  /** Listens and returns the URL. A TCP address with TLS needs a context. */
  async open(address: ListenAddress, context: SecureContextOptions | null): Promise<string> {
    if (address.kind === 'unix') return this.#openSocket(address.path, 'listener', SOCKET_MODE)
    const server = this.#make(address, context)
    await listen(server, urlOf(address), () => server.listen(address.port, address.host))
    return urlOf(address, (server.address() as AddressInfo).port)
  }

  openAdmin(path: string): Promise<string> {
    return this.#openSocket(path, 'admin-socket', ADMIN_MODE)
  }

  /** From the next connection on; those that are open go on with what they have. */
  renew(context: SecureContextOptions): void {
    for (const server of this.#secure) server.setSecureContext(context)
  }

  /** Stops accepting and waits for answers in flight, but not for ever. */
  async close(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#servers.forEach(each => each.closeAllConnections()), ms)
    try {
      const closed = this.#servers.map(server => new Promise(done => server.close(done)))
      this.#servers.forEach(server => server.closeIdleConnections())
      await this.#app.close()
      await Promise.all(closed)
    } finally {
      clearTimeout(timer)
    }
  }

  async #openSocket(path: string, origin: Origin, mode: number): Promise<string> {
    const server = this.#serve(createServer(this.#limits), origin)
    await clear(path)
    // The mode is right from the first moment on: a chmod alone would be a moment late.
    const mask = process.umask(0o777 & ~mode)
    try {
      await listen(
        server,
        path,
        () => server.listen(path),
        () => process.umask(mask),
      )
    } finally {
      process.umask(mask)
    }
    chmodSync(path, mode)
    return `unix:${path}`
  }

  #make({ tls }: TcpAddress, context: SecureContextOptions | null): Server | SecureServer {
    if (!tls) return this.#serve(createServer(this.#limits), 'listener')
    // Asked for, not insisted on: a token does as well. The gate looks at `authorized`.
    const asks = { requestCert: context?.ca !== undefined, rejectUnauthorized: false }
    const handshake = { handshakeTimeout: this.#limits.headersTimeout }
    const server = createSecureServer({ ...this.#limits, ...context, ...asks, ...handshake })
    this.#secure.push(server)
    return this.#serve(server, 'listener')
  }

  #serve<T extends Server | SecureServer>(server: T, origin: Origin): T {
    server.maxConnections = this.#limits.maxConnections
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      setOrigin(request, origin)
      this.#app.routing(request, response)
    })
    server.on('clientError', answerClientError)
    this.#servers.push(server)
    return server
  }
}

/** Resolves once it listens; rejects in words for a person. `bound` runs in between. */
async function listen(
  server: Server | SecureServer,
  name: string,
  start: () => void,
  bound: () => void = () => {},
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', () => {
        server.off('error', reject)
        resolve()
      })
      start()
      // A unix socket is bound by now: Node binds it in the same turn.
      bound()
    })
  } catch (cause) {
    throw new Error(`cannot listen on ${name}: ${messageOf(cause)}`, { cause })
  }
}

/** Makes room for a socket: takes off what a killed process left, and nothing else. */
async function clear(path: string): Promise<void> {
  if (!existsSync(dirname(path)))
    throw new Error(`cannot listen on ${path}: there is no folder ${dirname(path)}`)
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket())
    throw new Error(`cannot listen on ${path}: there is something that is no socket; move it away`)
  if (!(await isAbandoned(path)))
    throw new Error(`cannot listen on ${path}: another process does; stop it or take another path`)
  rmSync(path)
}

/** A socket file that nobody listens on. */
function isAbandoned(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', error => resolve((error as NodeJS.ErrnoException).code === 'ECONNREFUSED'))
  })
}
