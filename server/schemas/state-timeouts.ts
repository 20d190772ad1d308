/** Timeouts by connection state, under the names that `ipvsadm -lc` prints; values are IPVS's. */
import { Type } from 'typebox'

/** ipvsadm's bound for --set: 31 days. */
const TIMEOUT_MAX_S = 2678400

export const seconds = (fallback: number, description?: string) =>
  Type.Optional(
    Type.Integer({
      ...{ minimum: 1, maximum: TIMEOUT_MAX_S, default: fallback },
      ...(description === undefined ? {} : { description }),
    }),
  )

/** Without ESTABLISHED and FIN_WAIT, which `timeouts` has. */
const TCP = {
  NONE: 2,
  SYN_SENT: 120,
  SYN_RECV: 60,
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  LISTEN: 120,
  SYNACK: 120,
}

const SCTP = {
  NONE: 2,
  INIT1: 4,
  INIT: 61,
  'C-SENT': 61,
  'C-REPLIED': 61,
  'C-WAIT': 61,
  COOKIE: 61,
  'C-ECHOED': 61,
  ESTABLISHED: 900,
  'S-SENT': 61,
  'S-RECEIVED': 61,
  'S-ACK-SENT': 61,
  REJECTED: 4,
  CLOSED: 61,
}

export interface StateTimeoutFields {
  tcp: Record<string, number>
  /** UDP has one state only, and `timeouts` has that. */
  udp: Record<string, number>
  sctp: Record<string, number>
}

export const DEFAULT_STATE_TIMEOUTS: StateTimeoutFields = { tcp: TCP, udp: {}, sctp: SCTP }

/** States whose timeout is a field of `timeouts`, by pointer. */
export const NAMED_TIMEOUTS: Readonly<Record<string, string>> = {
  '/stateTimeouts/tcp/ESTABLISHED': 'timeouts.tcpSeconds',
  '/stateTimeouts/tcp/FIN_WAIT': 'timeouts.tcpFinSeconds',
  '/stateTimeouts/udp/UDP': 'timeouts.udpSeconds',
}

const writtenStates = (defaults: Record<string, number>, description: string) =>
  Type.Optional(
    Type.Object(
      Object.fromEntries(Object.entries(defaults).map(([state, s]) => [state, seconds(s)])),
      { additionalProperties: false, description },
    ),
  )

const readStates = (defaults: Record<string, number>) =>
  Type.Object(Object.fromEntries(Object.keys(defaults).map(state => [state, Type.Integer()])))

export const StateTimeoutsConfig = Type.Object(
  {
    tcp: writtenStates(TCP, 'ESTABLISHED and FIN_WAIT are in `timeouts`.'),
    udp: writtenStates({}, 'Its only state, UDP, is in `timeouts`.'),
    sctp: writtenStates(SCTP, 'All states.'),
  },
  {
    additionalProperties: false,
    description:
      'Seconds in the states that `timeouts` does not have, by the names of `ipvsadm -lc`; ' +
      'connections feel them with their next packet.',
  },
)

export const StateTimeouts = Type.Object({
  tcp: readStates(TCP),
  udp: readStates({}),
  sctp: readStates(SCTP),
})
