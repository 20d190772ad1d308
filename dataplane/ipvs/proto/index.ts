/** The transport protocols that IPVS balances. */
import * as ipProtocol from '../../wire/ip-protocol.js'
import type { Connections } from '../conn.js'
import type { Protocol } from './protocol.js'
import { Sctp } from './sctp.js'
import { Tcp } from './tcp.js'
import { Udp } from './udp.js'

export class Protocols {
  readonly tcp: Tcp
  readonly udp: Udp
  readonly sctp: Sctp

  constructor(conns: Connections) {
    this.tcp = new Tcp(conns)
    this.udp = new Udp(conns)
    this.sctp = new Sctp(conns)
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
}
