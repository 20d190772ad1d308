/** The virtual-service document of the API. */
import { Type } from 'typebox'
import type { FamilyName, ProtocolName, SchedulerName } from '../../dataplane/protocol.js'
import { Address, Labels, Meta, NAME_PATTERN, Port, Status } from './common.js'
import { component, Dictionary, StringEnum } from './components.js'
import { Policy, type PolicyConfig } from './policy.js'
import { ServiceChecks, type ServiceCheckFields } from './service-checks.js'
import { example as serverExample, RealServer, RealServerConfig } from './real-server.js'

export const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const satisfies readonly ProtocolName[]
export const FAMILIES = ['ipv4', 'ipv6'] as const satisfies readonly FamilyName[]
export const SCHEDULERS = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'sed',
  'nq',
  'fo',
  'ovf',
  'mh',
  'twos',
] as const satisfies readonly SchedulerName[]
/** ipvsadm's -b names. The plain ones go with every scheduler, the others with their own. */
export const SCHEDULER_FLAGS = [
  'sh-fallback',
  'sh-port',
  'mh-fallback',
  'mh-port',
  'flag-1',
  'flag-2',
  'flag-3',
] as const
/** ipvsadm's bound for -p: 31 days. */
export const PERSISTENCE_MAX_S = 2678400
export const FWMARK_MAX = 4294967295
/** What the kernel takes as the name of an interface. */
export const INTERFACE_PATTERN = '^[^\\s/:]{1,15}$'

const ENGINES = ['sip'] as const

const Persistence = component(
  'Persistence',
  Type.Object(
    {
      timeoutSeconds: Type.Optional(
        Type.Integer({ minimum: 1, maximum: PERSISTENCE_MAX_S, default: 360 }),
      ),
      netmask: Type.Optional(
        Type.String({
          maxLength: 15,
          description: 'IPv4: clients equal under this mask share a real server.',
          default: '255.255.255.255',
        }),
      ),
      prefixLength: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 128,
          description: 'IPv6: clients equal in this many bits share a real server.',
          default: 128,
        }),
      ),
      engine: Type.Optional(
        StringEnum(ENGINES, {
          description:
            "What keeps packets together beside the client's address. sip: the Call-ID of SIP over " +
            'UDP; packets without one are dropped.',
        }),
      ),
    },
    { additionalProperties: false, description: 'Keeps a client on its real server.' },
  ),
)

const fields = {
  protocol: Type.Optional(
    StringEnum(PROTOCOLS, { description: 'Needed with `address`; absent with `fwmark`.' }),
  ),
  address: Type.Optional(Address('The virtual IP address. Excludes `fwmark`.')),
  port: Type.Optional(Port('Port of the service; 0 = every port, with persistence only.')),
  fwmark: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: FWMARK_MAX,
      description:
        'Takes packets that carry this mark (see mark rules), instead of an address. The same ' +
        'mark may have a service in each family.',
    }),
  ),
  addressFamily: Type.Optional(
    StringEnum(FAMILIES, { description: 'Needed with `fwmark`, absent with `address`.' }),
  ),
  scheduler: Type.Optional(StringEnum(SCHEDULERS, { default: 'wlc' })),
  schedulerFlags: Type.Optional(
    Type.Array(StringEnum(SCHEDULER_FLAGS), { maxItems: SCHEDULER_FLAGS.length, default: [] }),
  ),
  persistence: Type.Optional(Persistence),
  persistenceEngine: Type.Optional(
    StringEnum(ENGINES, {
      description:
        "An engine without persistence (ipvsadm's --pe without -p): clients are scheduled as without " +
        'it, but a call that a real server begins leaves as the virtual service. Excludes ' +
        '`persistence`, which has an `engine` of its own.',
    }),
  ),
  onePacket: Type.Optional(
    Type.Boolean({
      default: false,
      description: 'Schedules every datagram on its own (UDP, or UDP packets of a mark).',
    }),
  ),
  interface: Type.Optional(
    Type.String({
      pattern: INTERFACE_PATTERN,
      description: 'Where the address lives; found by route when absent.',
    }),
  ),
  manageAddress: Type.Optional(
    Type.Boolean({
      default: true,
      description:
        'Whether the address is put on the interface and announced. Means nothing with `fwmark`.',
    }),
  ),
  policy: Type.Optional(Policy),
  labels: Type.Optional(Labels),
  healthChecks: Type.Optional(ServiceChecks),
}

export const example = {
  protocol: 'tcp',
  address: '198.51.100.10',
  port: 80,
  scheduler: 'wrr',
  schedulerFlags: [],
  onePacket: false,
  manageAddress: true,
  labels: { env: 'prod' },
  realServers: { a: serverExample },
}

/** What a client writes. `name`, `meta` and `status` come back from a read and are ignored. */
export const VirtualServiceConfig = component(
  'VirtualServiceConfig',
  Type.Object(
    {
      ...fields,
      realServers: Type.Optional(
        Dictionary(RealServerConfig, {
          propertyNames: { pattern: NAME_PATTERN },
          description:
            'The whole set, by name. Absent: those there are stay. Empty: none are left.',
        }),
      ),
      name: Type.Optional(Type.String({ description: 'As in the path, when given.' })),
      meta: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
      status: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
    },
    {
      additionalProperties: false,
      description: 'A virtual service as written.',
      examples: [example],
    },
  ),
)

export const VirtualService = component(
  'VirtualService',
  Type.Object(
    {
      name: Type.String({ pattern: NAME_PATTERN }),
      protocol: Type.Optional(StringEnum(PROTOCOLS)),
      address: Type.Optional(Type.String()),
      port: Type.Optional(Type.Integer()),
      fwmark: Type.Optional(Type.Integer()),
      addressFamily: Type.Optional(StringEnum(FAMILIES)),
      scheduler: StringEnum(SCHEDULERS),
      schedulerFlags: Type.Array(StringEnum(SCHEDULER_FLAGS)),
      persistence: Type.Optional(Persistence),
      persistenceEngine: Type.Optional(StringEnum(ENGINES)),
      onePacket: Type.Boolean(),
      interface: Type.Optional(Type.String()),
      manageAddress: Type.Boolean(),
      policy: Type.Optional(Policy),
      labels: Labels,
      healthChecks: Type.Optional(ServiceChecks),
      realServers: Dictionary(RealServer),
      meta: Meta,
      status: Status,
    },
    { description: 'A virtual service with its real servers.' },
  ),
)

export const VirtualServiceList = component(
  'VirtualServiceList',
  Type.Object({
    items: Type.Array(VirtualService),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)

export const DeclaredServiceList = component(
  'DeclaredVirtualServiceList',
  Type.Object({
    items: Type.Array(VirtualServiceConfig),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)

export interface PersistenceConfig {
  timeoutSeconds: number
  /** IPv4 services. */
  netmask?: string
  /** IPv6 services. */
  prefixLength?: number
  engine?: 'sip'
}

/** A service's own configuration, complete and normalised: what is stored and compared. */
export interface ServiceFields {
  protocol?: ProtocolName
  address?: string
  port?: number
  fwmark?: number
  addressFamily?: FamilyName
  scheduler: SchedulerName
  schedulerFlags: string[]
  persistence?: PersistenceConfig
  /** Without `persistence` only. */
  persistenceEngine?: 'sip'
  onePacket: boolean
  interface?: string
  manageAddress: boolean
  /** Absent: DEFAULT_POLICY. */
  policy?: PolicyConfig
  labels: Record<string, string>
  /** Absent: nothing checks its real servers. */
  healthChecks?: ServiceCheckFields
}
