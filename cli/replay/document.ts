/**
 * The shape of a replay's configuration: that of GET /v1/config, and a network to go with it. The
 * API's documents in it are checked by the API's own readers.
 */
import { Type } from 'typebox'
import { NAME_PATTERN } from '../../server/schemas/common.js'
import { Dictionary } from '../../server/schemas/components.js'

const ADDRESS_MAX = 45
const PREFIX_MAX = ADDRESS_MAX + 4
const MTU_MIN = 576
const MTU_MAX = 65535

const Text = (maxLength: number) => Type.String({ maxLength })

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
      Dictionary(Type.Unknown(), { propertyNames: { pattern: NAME_PATTERN } }),
    ),
    // Nothing is checked in a replay.
    healthChecks: Type.Optional(Type.Unknown()),
    settings: Type.Optional(Type.Unknown()),
    network: Type.Optional(Network),
    meta: Type.Optional(Type.Unknown()),
    revision: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
)

export type NetworkDocument = Type.Static<typeof Network>
