/** What a virtual service does when its real servers fail, return or are too few. */
import { Type } from 'typebox'
import { Address, Port } from './common.js'
import { component, StringEnum } from './components.js'
import { FORWARDINGS, INT32_MAX, Tunnel, type TunnelConfig } from './real-server.js'

export const ALL_DOWN = ['failOpen', 'sorry', 'reject', 'withdraw'] as const
export const ON_DOWN = ['keep', 'reset', 'reselect'] as const
export type AllDown = (typeof ALL_DOWN)[number]
export type OnDown = (typeof ON_DOWN)[number]

/** A day: who needs longer to warm up is not slow but broken. */
const SLOW_START_MAX_S = 86_400

const Quorum = component(
  'Quorum',
  Type.Object(
    {
      up: Type.Integer({
        minimum: 1,
        maximum: INT32_MAX,
        description: 'Gained when the weights of usable real servers add up to this.',
      }),
      down: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: INT32_MAX,
          description: 'Lost when they add up to less than this; as `up` when absent.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description:
        'How much the usable real servers have to amount to, as the sum of their configured weights ' +
        "(keepalived's `quorum` q with `hysteresis` h: up q+h, down q-h). Usable is whoever is " +
        'enabled, has a weight, is not being drained and is not known to be down. Without it, one ' +
        'usable real server is enough.',
    },
  ),
)

const SorryServer = component(
  'SorryServer',
  Type.Object(
    {
      address: Address('IPv4 or IPv6 address.'),
      port: Type.Optional(Port('As of a real server: that of the service when absent.')),
      forwarding: Type.Optional(StringEnum(FORWARDINGS, { default: 'masq' })),
      tunnel: Type.Optional(Tunnel),
      inhibit: Type.Optional(
        Type.Boolean({
          default: false,
          description:
            'Keeps it in the dataplane with weight 0 while it is not needed, so that its ' +
            "connections go on (keepalived's sorry_server_inhibit). Otherwise it is there only " +
            'while it is needed.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description:
        'Takes all new connections while the quorum is lost: the real servers that are left get ' +
        'none. Nothing checks it. It cannot be one of the real servers.',
    },
  ),
)

const SlowStart = component(
  'SlowStart',
  Type.Object(
    {
      seconds: Type.Integer({ minimum: 1, maximum: SLOW_START_MAX_S }),
      startPercent: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 100,
          default: 10,
          description: 'What part of its share it begins with.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description:
        'A real server that is new or returns (from being down, drained, disabled or without ' +
        'weight) gets a part of its fair share of new connections that grows evenly to the whole ' +
        'within `seconds`. Until it has caught up, the same slope also bounds what ' +
        'least-connection schedulers would give it beyond. No effect with the schedulers that ' +
        'hash (dh, sh, mh), whose clients it would send from server to server.',
    },
  ),
)

export const policyExample = {
  quorum: { up: 3, down: 2 },
  sorryServer: { address: '10.0.0.250', port: 8080, forwarding: 'masq', inhibit: false },
  allDown: 'sorry',
  onDown: 'reset',
  inhibitOnFailure: false,
  minimumActive: 1,
  minimumUsable: 2,
  slowStart: { seconds: 30, startPercent: 10 },
}

export const Policy = component(
  'Policy',
  Type.Object(
    {
      quorum: Type.Optional(Quorum),
      sorryServer: Type.Optional(SorryServer),
      allDown: Type.Optional(
        StringEnum(ALL_DOWN, {
          description:
            'What holds while the quorum is lost. failOpen: every enabled real server takes ' +
            'connections, whatever its health. sorry: the sorry server does. reject: new ' +
            'connections are refused (TCP reset, SCTP abort, ICMP port unreachable). withdraw: the ' +
            'address is taken off the host, so that nobody is answered who asks for it, until the ' +
            'quorum is back; while another service needs the address it stays, and new ' +
            'connections are refused. ' +
            'Absent: sorry with a `sorryServer`, otherwise the real servers that are left go on.',
        }),
      ),
      onDown: Type.Optional(
        StringEnum(ON_DOWN, {
          default: 'keep',
          description:
            'What becomes of the connections of a real server that goes down. keep: nothing; while ' +
            'it is out of the dataplane (see `inhibitOnFailure`) their packets are dropped, as in ' +
            'IPVS. reset: both ends of TCP and SCTP are told. reselect: also UDP flows are ' +
            'forgotten, so that the next packet gets another real server. Both end persistence.',
        }),
      ),
      inhibitOnFailure: Type.Optional(
        Type.Boolean({
          default: false,
          description:
            'A real server that is down gets weight 0 and keeps what it has, instead of being ' +
            'taken out of the dataplane.',
        }),
      ),
      minimumActive: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 65_535,
          default: 1,
          description:
            'Real servers of lower `priority` take connections only while fewer than this many of ' +
            'higher priority are usable.',
        }),
      ),
      minimumUsable: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 65_535,
          default: 1,
          description:
            'Fewer usable real servers are told in status and plans; maintenance that would lead ' +
            'there is refused.',
        }),
      ),
      slowStart: Type.Optional(SlowStart),
    },
    {
      additionalProperties: false,
      description:
        'What happens when real servers fail, return or are too few. Absent: every default.',
      examples: [policyExample],
    },
  ),
)

/** Complete and normalised; `down` and the like filled in. */
export interface PolicyConfig {
  quorum?: { up: number; down: number }
  sorryServer?: SorryConfig
  allDown?: AllDown
  onDown: OnDown
  inhibitOnFailure: boolean
  minimumActive: number
  minimumUsable: number
  slowStart?: SlowStartConfig
}

export interface SorryConfig {
  address: string
  port: number
  forwarding: (typeof FORWARDINGS)[number]
  tunnel?: TunnelConfig
  inhibit: boolean
}

export interface SlowStartConfig {
  seconds: number
  startPercent: number
}

/** Of a service that says nothing. */
export const DEFAULT_POLICY: PolicyConfig = {
  onDown: 'keep',
  inhibitOnFailure: false,
  minimumActive: 1,
  minimumUsable: 1,
}
