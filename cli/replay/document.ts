/** The shape of a replay's configuration: that of GET /v1/config, and a network to go with it. */
import { Type } from 'typebox'
import { NAME_PATTERN } from '../../server/schemas/common.js'
import { Dictionary, StringEnum } from '../../server/schemas/components.js'
import { FAMILIES, PROTOCOLS } from '../../server/schemas/virtual-service.js'

const ADDRESS_MAX = 45
const PREFIX_MAX = ADDRESS_MAX + 4
const RANGE_PATTERN = '^\\d{1,5}(-\\d{1,5})?$'
const MTU_MIN = 576
const MTU_MAX = 65535
const MARK_MAX = 4294967295
const SECONDS_MAX = 2678400

const Switch = Type.Optional(Type.Boolean())
const Text = (maxLength: number) => Type.String({ maxLength })
const Ports = Type.Optional(Type.Array(Type.String({ pattern: RANGE_PATTERN }), { maxItems: 64 }))

const MarkRule = Type.Object(
  {
    mark: Type.Integer({ minimum: 1, maximum: MARK_MAX }),
    order: Type.Optional(Type.Integer()),
    addressFamily: StringEnum(FAMILIES),
    protocol: Type.Optional(StringEnum(PROTOCOLS)),
    source: Type.Optional(Text(PREFIX_MAX)),
    destination: Type.Optional(Text(PREFIX_MAX)),
    sourcePorts: Ports,
    destinationPorts: Ports,
    interface: Type.Optional(Text(15)),
    name: Type.Optional(Type.String()),
    meta: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
)

/** Names as in the operation that carries them to the dataplane. */
const Settings = Type.Object(
  {
    expireNodestConn: Switch,
    expireQuiescentTemplate: Switch,
    connReuseMode: Type.Optional(Type.Integer({ minimum: 0, maximum: 3 })),
    sloppyTcp: Switch,
    sloppySctp: Switch,
    natIcmpSend: Switch,
    scheduleIcmp: Switch,
    pmtuDisc: Switch,
    cacheBypass: Switch,
    timeouts: Type.Optional(
      Type.Object(
        {
          tcpSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: SECONDS_MAX })),
          tcpFinSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: SECONDS_MAX })),
          udpSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: SECONDS_MAX })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
)

const Network = Type.Object(
  {
    interfaces: Type.Array(
      Type.Object(
        {
          name: Type.String({ pattern: '^[^\\s/:]{1,15}$' }),
          mac: Type.Optional(Text(17)),
          mtu: Type.Optional(Type.Integer({ minimum: MTU_MIN, maximum: MTU_MAX })),
          addresses: Type.Optional(Type.Array(Text(PREFIX_MAX), { maxItems: 4096 })),
        },
        { additionalProperties: false },
      ),
      { maxItems: 64 },
    ),
    routes: Type.Optional(
      Type.Array(
        Type.Object(
          {
            destination: Text(PREFIX_MAX),
            via: Type.Optional(Text(ADDRESS_MAX)),
            interface: Type.Optional(Text(15)),
          },
          { additionalProperties: false },
        ),
        { maxItems: 65536 },
      ),
    ),
    neighbours: Type.Optional(
      Type.Array(
        Type.Object(
          { address: Text(ADDRESS_MAX), mac: Text(17), interface: Type.Optional(Text(15)) },
          { additionalProperties: false },
        ),
        { maxItems: 65536 },
      ),
    ),
  },
  { additionalProperties: false },
)

export const ReplayDocument = Type.Object(
  {
    virtualServices: Dictionary(Type.Unknown(), { propertyNames: { pattern: NAME_PATTERN } }),
    markRules: Type.Optional(
      Dictionary(MarkRule, { propertyNames: { pattern: NAME_PATTERN } }),
    ),
    settings: Type.Optional(Settings),
    network: Type.Optional(Network),
    meta: Type.Optional(Type.Unknown()),
    revision: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
)

export type MarkRuleDocument = Type.Static<typeof MarkRule>
export type SettingsDocument = Type.Static<typeof Settings>
export type NetworkDocument = Type.Static<typeof Network>
