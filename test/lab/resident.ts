import { readFileSync } from 'node:fs'
import type { Namespace } from './namespace.js'

/**
 * A process that does nothing inside a host, so that the host's counters can be read through its
 * /proc entry at once and without starting a program, however busy the machine is.
 */
export class Resident {
  readonly #pid: number

  private constructor(pid: number) {
    this.#pid = pid
  }

  static async start(host: Namespace): Promise<Resident> {
    const resident = host.start(['sh', '-c', 'echo inside; exec sleep infinity'])
    // Only then has it changed its namespace.
    await resident.waitFor(/inside/)
    return new Resident(resident.pid)
  }

  /** Frames and octets that an interface received since it was made. */
  received(device: string): { packets: number; octets: number } {
    const line = this.#find('dev', `^\\s*${device}:(.*)$`)
    const [octets = NaN, packets = NaN] = line.split(/\s+/).map(Number)
    return { packets, octets }
  }

  /** TCP connections that programs in here were offered, IPv4 and IPv6: RFC 1213 tcpPassiveOpens. */
  acceptedConnections(): number {
    const names = this.#find('snmp', '^Tcp: (Rto.*)$').split(' ')
    const values = this.#find('snmp', '^Tcp: (\\d.*)$').split(' ')
    return Number(values[names.indexOf('PassiveOpens')])
  }

  #find(file: string, line: string): string {
    const text = readFileSync(`/proc/${this.#pid}/net/${file}`, 'latin1')
    return (new RegExp(line, 'm').exec(text)?.[1] ?? '').trim()
  }
}
