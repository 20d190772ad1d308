import { FWD_MASK, MASQ } from '../shared/conn-record.js'
import { PROTOCOLS } from './config-words.js'
import { TCP } from '../wire/ip-protocol.js'
import type { Dest } from './dest.js'
import { Role, type Guarded } from './guarded.js'
import type { Service } from './service.js'

/** Real servers whose endpoints are guarded, each for the protocols of its service. */
export class GuardedReals {
  readonly #guarded: Guarded
  readonly #held = new Map<Dest, readonly { protocol: number; port: number }[]>()

  constructor(guarded: Guarded) {
    this.#guarded = guarded
  }

  /** Once it has masqueraded, its packets are ours as long as it may have connections. */
  hold(service: Service, dest: Dest): void {
    const before = this.#held.get(dest)
    if ((dest.connFlags & FWD_MASK) !== MASQ && before === undefined) return
    const protocols = service.fwmark === 0 ? [service.protocol] : Object.values(PROTOCOLS)
    const endpoints = protocols.map(protocol => ({ protocol, port: dest.port }))
    // Active FTP's data connections come from the port below; a mark may lead to FTP as well.
    const dataPort = (dest.port || service.port) - 1
    const mayBeFtp = service.fwmark !== 0 || this.#guarded.isFtp(service.protocol, service.port)
    if (dataPort > 0 && mayBeFtp) endpoints.push({ protocol: TCP, port: dataPort })
    for (const { protocol, port } of endpoints) this.#guarded.hold(Role.real, dest, protocol, port)
    this.release(dest)
    this.#held.set(dest, endpoints)
  }

  release(dest: Dest): void {
    const endpoints = this.#held.get(dest) ?? []
    this.#held.delete(dest)
    for (const { protocol, port } of endpoints)
      this.#guarded.release(Role.real, dest, protocol, port)
  }
}
