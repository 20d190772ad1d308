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

  constructor(rows: Int32Array) {
    this.#rows = rows
  }

  /** TCP ports of FTP control connections, at most PORTS_MAX. */
  setFtpPorts(ports: readonly number[]): void {
    if (ports.length > PORTS_MAX) throw new RangeError(`${ports.length} FTP ports`)
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
    return application
  }
}
