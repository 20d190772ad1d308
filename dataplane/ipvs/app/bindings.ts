import * as appRecord from '../../shared/app-record.js'
import { TCP } from '../../wire/ip-protocol.js'
import { FTP, PORTS_MAX } from './application.js'

/**
 * Which virtual ports have a helper (ip_vs_app_inc). A connection is given its helper once, when
 * it is made; changing the ports changes nothing for those that there are.
 */
export class Bindings {
  /** Helper's number by TCP port. */
  readonly #tcp = new Uint8Array(65536)
  readonly #rows: Int32Array
  /** Connections that have a helper, by virtual port. */
  readonly #counts = new Uint32Array(65536)
  #ports: readonly number[] = []
  /** Ports that are no helper's any more, but may still have connections with one. */
  readonly #former = new Set<number>()

  constructor(rows: Int32Array) {
    this.#rows = rows
  }

  /** TCP ports of FTP control connections, at most PORTS_MAX. */
  setFtpPorts(ports: readonly number[]): void {
    if (ports.length > PORTS_MAX) throw new RangeError(`${ports.length} FTP ports`)
    for (const port of this.#ports) this.#former.add(port)
    this.#ports = ports
    this.#tcp.fill(0)
    for (const port of ports) this.#tcp[port] = FTP
    // Port 0 stands for "none known" in a record, and is nobody's control connection.
    this.#tcp[0] = 0
  }

  /** The helper of a new masqueraded connection, 0 for none; its state starts empty. */
  bind(c: number, protocol: number, vport: number): number {
    if (protocol !== TCP) return 0
    const application = this.#tcp[vport]!
    if (application === 0) return 0
    const at = c * appRecord.WORDS
    for (let i = 0; i < appRecord.WORDS; i++) this.#rows[at + i] = 0
    this.#counts[vport]!++
    return application
  }

  /** A connection with a helper has gone. */
  unbind(vport: number): void {
    this.#counts[vport]!--
  }

  /** Takes over a connection that has a helper. */
  adopt(vport: number): void {
    this.#counts[vport]!++
    this.#former.add(vport)
  }

  /**
   * Ports with FTP connections, present or to come. A control connection outlives the data
   * connections that it announced, so a port without any has none of those either.
   */
  livePorts(): readonly number[] {
    for (const port of this.#former) {
      if (this.#counts[port] === 0 || this.#ports.includes(port)) this.#former.delete(port)
    }
    return [...this.#ports, ...this.#former]
  }
}
