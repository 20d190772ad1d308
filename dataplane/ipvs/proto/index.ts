/** The transport protocols that IPVS balances. */
import { OpError } from '../../op-error.js'
import type { StateTimeouts } from '../../protocol.js'
import * as ipProtocol from '../../wire/ip-protocol.js'
import type { Connections } from '../conn.js'
import type { Protocol } from './protocol.js'
import { Sctp } from './sctp.js'
import { Tcp } from './tcp.js'
import { Udp } from './udp.js'

const NAMES = ['tcp', 'udp', 'sctp'] as const
/** States that `setTimeouts` has, by its names. */
const NAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tcp: { ESTABLISHED: 'tcpS', FIN_WAIT: 'tcpFinS' },
  udp: { UDP: 'udpS' },
  sctp: {},
}
/** ipvsadm's bound for --set: 31 days. */
const TIMEOUT_MAX_S = 2678400

export class Protocols {
  readonly tcp: Tcp
  readonly udp: Udp
  readonly sctp: Sctp

  readonly #defaults: Required<StateTimeouts>

  constructor(conns: Connections) {
    this.tcp = new Tcp(conns)
    this.udp = new Udp(conns)
    this.sctp = new Sctp(conns)
    this.#defaults = this.stateTimeouts()
  }

  /** Null for a protocol that has no connections here. */
  get(number: number): Protocol | null {
    if (number === ipProtocol.TCP) return this.tcp
    if (number === ipProtocol.UDP) return this.udp
    return number === ipProtocol.SCTP ? this.sctp : null
  }

  /** `ipvsadm --set tcp tcpfin udp`, in seconds; 0 keeps a value. */
  setTimeouts(tcpS: number, tcpFinS: number, udpS: number): void {
    if (tcpS !== 0) this.tcp.setTimeoutS('ESTABLISHED', tcpS)
    if (tcpFinS !== 0) this.tcp.setTimeoutS('FIN_WAIT', tcpFinS)
    if (udpS !== 0) this.udp.setTimeoutS('UDP', udpS)
  }
  /** Seconds of every state but those that `setTimeouts` has. */
  stateTimeouts(): Required<StateTimeouts> {
    const timeouts: Required<StateTimeouts> = { tcp: {}, udp: {}, sctp: {} }
    for (const name of NAMES) {
      for (const state of this[name].states) {
        if (NAMED[name]![state] === undefined) timeouts[name][state] = this[name].timeoutS(state)!
      }
    }
    return timeouts
  }

  /** Changes them; a state that is not named gets its default. Throws OpError before any change. */
  setStateTimeouts(timeouts: StateTimeouts): void {
    for (const name of NAMES) this.#check(name, timeouts[name] ?? {})
    for (const name of NAMES) {
      const wanted = { ...this.#defaults[name], ...timeouts[name] }
      for (const [state, seconds] of Object.entries(wanted)) this[name].setTimeoutS(state, seconds)
    }
  }

  #check(name: (typeof NAMES)[number], timeouts: Record<string, number>): void {
    for (const [state, seconds] of Object.entries(timeouts)) {
      if (this[name].timeoutS(state) === undefined)
        throw new OpError('EINVAL', `${name} has no state '${state}'`)
      const field = NAMED[name]![state]
      if (field !== undefined)
        throw new OpError('EINVAL', `the timeout of ${state} is 'timeouts.${field}'`)
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > TIMEOUT_MAX_S)
        throw new OpError('EINVAL', `${seconds} is no timeout of ${state}: 1 to ${TIMEOUT_MAX_S}`)
    }
  }
}
