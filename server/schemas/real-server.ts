/** The real-server document of the API. */
import { Type } from 'typebox'
import { Address, Labels, Meta, NAME_PATTERN, Port, RealServerStatus } from './common.js'
import { component, StringEnum } from './components.js'
import { ServerChecks, type ServerCheckFields } from './service-checks.js'

export const FORWARDINGS = ['masq', 'dr', 'tunnel', 'local'] as const
export const ADMIN_STATES = ['enabled', 'draining', 'disabled'] as const
export const TUNNEL_TYPES = ['ipip', 'gue', 'gre'] as const
export const TUNNEL_CHECKSUMS = ['none', 'checksum', 'remote'] as const
/** ipvsadm's bound for -w, -x and -y. */
export const INT32_MAX = 2147483647
const PRIORITY_MAX = 65_535

export const Tunnel = component(
  'Tunnel',
  Type.Object(
    {
      type: Type.Optional(StringEnum(TUNNEL_TYPES, { default: 'ipip' })),
      port: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 65535,
          description: 'Destination port of GUE; needed there, not allowed elsewhere.',
        }),
      ),
      checksum: Type.Optional(
        StringEnum(TUNNEL_CHECKSUMS, {
          default: 'none',
          description: 'gue: any; gre: none or checksum; ipip: none.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description: 'Encapsulation, for forwarding `tunnel` only; plain ipip when absent.',
    },
  ),
)

export const example = {
  address: '10.0.0.1',
  port: 8080,
  weight: 1,
  forwarding: 'masq',
  upperThreshold: 0,
  lowerThreshold: 0,
  adminState: 'enabled',
  labels: { rack: 'a1' },
}

const fields = {
  address: Address('IPv4 or IPv6 address of the real server.'),
  port: Type.Optional(
    Port(
      'Port of the real server; that of the service when absent, 0 with `fwmark`. 0 keeps the port ' +
        'of the packet. Without rewriting (dr, tunnel, local) it has to be that of the service.',
    ),
  ),
  weight: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: INT32_MAX,
      default: 1,
      description: 'Configured weight. 0 takes no new connections. Nothing else ever changes it.',
    }),
  ),
  forwarding: Type.Optional(
    StringEnum(FORWARDINGS, {
      default: 'masq',
      description:
        'masq rewrites addresses (NAT); dr leaves the packet as it is, the real server answers ' +
        'clients directly; tunnel puts it into another packet (see `tunnel`), the only way to a ' +
        'real server of the other address family; local gives it to this host itself.',
    }),
  ),
  tunnel: Type.Optional(Tunnel),
  upperThreshold: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: INT32_MAX,
      default: 0,
      description: 'No new connections from this many on; 0 = no limit.',
    }),
  ),
  lowerThreshold: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: INT32_MAX,
      default: 0,
      description: 'New connections again below this many; 0 = three quarters of the upper one.',
    }),
  ),
  adminState: Type.Optional(
    StringEnum(ADMIN_STATES, {
      default: 'enabled',
      description:
        'draining: effective weight 0, connections go on. disabled: taken out of the dataplane, ' +
        'nothing reaches it.',
    }),
  ),
  priority: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: PRIORITY_MAX,
      description:
        'Higher ones are used first; lower ones take new connections only while too few of the ' +
        "higher are usable (the service's `policy.minimumActive`). Absent: 0.",
    }),
  ),
  labels: Type.Optional(Labels),
  healthChecks: Type.Optional(ServerChecks),
}

/** What a client writes. `name`, `meta` and `status` come back from a read and are ignored. */
export const RealServerConfig = component(
  'RealServerConfig',
  Type.Object(
    {
      ...fields,
      name: Type.Optional(Type.String({ description: 'As in the path, when given.' })),
      meta: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
      status: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
    },
    { additionalProperties: false, description: 'A real server as written.', examples: [example] },
  ),
)

export const RealServer = component(
  'RealServer',
  Type.Object(
    {
      name: Type.String({ pattern: NAME_PATTERN }),
      address: Type.String(),
      port: Type.Integer(),
      weight: Type.Integer(),
      forwarding: StringEnum(FORWARDINGS),
      tunnel: Type.Optional(Tunnel),
      upperThreshold: Type.Integer(),
      lowerThreshold: Type.Integer(),
      adminState: StringEnum(ADMIN_STATES),
      priority: Type.Optional(Type.Integer()),
      labels: Labels,
      healthChecks: Type.Optional(ServerChecks),
      meta: Meta,
      status: RealServerStatus,
    },
    { description: 'A real server of one virtual service.' },
  ),
)
export const RealServerList = component(
  'RealServerList',
  Type.Object({
    items: Type.Array(RealServer),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)

/** What a list gives is what PUT on the collection takes. */
export const RealServerSet = component(
  'RealServerSet',
  Type.Object(
    {
      items: Type.Array(RealServerConfig, {
        description: 'The whole set, as listed: each item carries its `name`.',
      }),
      nextCursor: Type.Optional(
        Type.Unsafe<null>({
          type: 'null',
          description: 'Accepted as null, so that a complete list can be sent back.',
        }),
      ),
    },
    { additionalProperties: false, examples: [{ items: [{ name: 'a', ...example }] }] },
  ),
)

export interface TunnelConfig {
  type: (typeof TUNNEL_TYPES)[number]
  port?: number
  checksum: (typeof TUNNEL_CHECKSUMS)[number]
}

/** A real server's configuration, complete and normalised: what is stored and compared. */
export interface ServerConfig {
  address: string
  port: number
  weight: number
  forwarding: (typeof FORWARDINGS)[number]
  tunnel?: TunnelConfig
  upperThreshold: number
  lowerThreshold: number
  adminState: (typeof ADMIN_STATES)[number]
  /** Absent: 0. */
  priority?: number
  labels: Record<string, string>
  /** Absent: as its service has it. */
  healthChecks?: ServerCheckFields
}
