/**
 * Names of connection states as `ipvsadm -lc` prints them, in the kernel's numeric order
 * (include/net/ip_vs.h): the number in a connection record is a position here.
 */
import * as ipProtocol from '../wire/ip-protocol.js'

export const TCP_STATES = [
  'NONE',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
] as const

export const UDP_STATES = ['UDP'] as const

export const SCTP_STATES = [
  'NONE',
  'INIT1',
  'INIT',
  'C-SENT',
  'C-REPLIED',
  'C-WAIT',
  'COOKIE',
  'C-ECHOED',
  'ESTABLISHED',
  'S-SENT',
  'S-RECEIVED',
  'S-ACK-SENT',
  'REJECTED',
  'CLOSED',
] as const

const TEMPLATE_STATES = ['NONE', 'ASSURED'] as const

export type TcpState = (typeof TCP_STATES)[number]
export type SctpState = (typeof SCTP_STATES)[number]

/** Whether it has ended at both ends, and is only remembered so that late packets find their way. */
export function isOver(protocol: number, state: number): boolean {
  if (protocol === ipProtocol.TCP) {
    const name = TCP_STATES[state]
    return name === 'TIME_WAIT' || name === 'CLOSE'
  }
  return protocol === ipProtocol.SCTP && SCTP_STATES[state] === 'CLOSED'
}

/** What stands in the state column of a listing. */
export function stateName(protocol: number, state: number, template: boolean): string {
  if (template) return TEMPLATE_STATES[state] ?? 'ERR!'
  if (protocol === ipProtocol.TCP) return TCP_STATES[state] ?? 'ERR!'
  if (protocol === ipProtocol.SCTP) return SCTP_STATES[state] ?? 'ERR!'
  return protocol === ipProtocol.UDP ? 'UDP' : 'NONE'
}
