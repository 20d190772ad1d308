/**
 * The probes' side of the way through a service: gives each run an address and a port of its own in
 * the probe network, and has the main thread tell the dataplane before anything is sent.
 */
import type { CheckedServer, CheckSpec } from './check-spec.js'
import type { ProbeAddresses } from './probe-network.js'
import type { Run } from './run.js'
import type { ServicePath } from './service-path.js'
import type { PathFailure, PathOrder } from './worker-messages.js'

/** Below them are ports that mean something; a port rests while all the others take their turn. */
const FIRST_PORT = 10_000
const LAST_PORT = 65_000

export interface PathPost {
  open(id: number, order: PathOrder): void
  close(id: number): void
}

export class RemotePath implements ServicePath {
  readonly #addresses: ProbeAddresses
  readonly #post: PathPost
  readonly #waiting = new Map<number, (failure: PathFailure) => void>()
  readonly #taken = new Set<number>()
  #port = FIRST_PORT
  #nextId = 0

  constructor(addresses: ProbeAddresses, post: PathPost) {
    this.#addresses = addresses
    this.#post = post
  }

  open(subject: CheckedServer, _spec: CheckSpec, run: Run, ready: () => void): void {
    const vip = subject.vip!
    const port = this.#takePort()
    if (port === null) return run.fail('internal', 'The probe network has no free port.')
    const id = ++this.#nextId
    const address = vip.address.includes(':') ? this.#addresses.ipv6 : this.#addresses.ipv4
    const { service, server, protocol, address: serverAddress, port: serverPort } = subject
    run.waitingFor = 'the dataplane'
    run.onEnd(() => {
      this.#waiting.delete(id)
      this.#taken.delete(port)
      this.#post.close(id)
    })
    this.#waiting.set(id, failure => {
      if (failure !== null) return run.fail(failure.reason, failure.detail)
      run.sourceAddress = address
      run.sourcePort = port
      run.note('route', `through the service to ${serverAddress}, port ${serverPort}`)
      ready()
    })
    const forServer = { address: serverAddress, port: serverPort, ...subject.way }
    const source = { address, port }
    this.#post.open(id, { service, server, protocol, ...vip, forServer, source })
  }

  /** The dataplane's answer. */
  opened(id: number, failure: PathFailure): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.(failure)
  }

  #takePort(): number | null {
    for (let tries = 0; tries <= LAST_PORT - FIRST_PORT; tries++) {
      this.#port = this.#port === LAST_PORT ? FIRST_PORT : this.#port + 1
      if (this.#taken.has(this.#port)) continue
      this.#taken.add(this.#port)
      return this.#port
    }
    return null
  }
}
