/** The mark-rule document of the API: which packets carry which firewall mark. */
import { Type } from 'typebox'
import type { FamilyName } from '../../dataplane/protocol.js'
import { Labels, Meta, NAME_PATTERN } from './common.js'
import { component, StringEnum } from './components.js'
import { FAMILIES, FWMARK_MAX, INTERFACE_PATTERN } from './virtual-service.js'

const PORT_RANGES_MAX = 64
const ORDER_MAX = 65535
export const ORDER_DEFAULT = 100

const prefix = (which: string) =>
  Type.Optional(
    Type.String({
      maxLength: 49,
      description: `${which} address, in CIDR form; every address when absent.`,
    }),
  )
const ports = (which: string) =>
  Type.Optional(
    Type.Array(Type.String({ maxLength: 11 }), {
      maxItems: PORT_RANGES_MAX,
      description: `${which} ports, each "80" or "1000-2000"; every port when absent.`,
    }),
  )

export const example = {
  mark: 1,
  addressFamily: 'ipv4',
  protocol: 'tcp',
  destination: '198.51.100.0/24',
  destinationPorts: ['80', '8000-8099'],
  order: 100,
  labels: { team: 'edge' },
}

const fields = {
  mark: Type.Integer({
    minimum: 1,
    maximum: FWMARK_MAX,
    description: 'What a packet that matches carries; virtual services ask for it with `fwmark`.',
  }),
  addressFamily: StringEnum(FAMILIES),
  protocol: Type.Optional(
    Type.String({
      maxLength: 4,
      default: 'any',
      description:
        'any, tcp, udp, sctp, icmp (ICMPv6 with ipv6), esp, ah, or the number of an IP protocol ' +
        'as text, for instance "47".',
    }),
  ),
  source: prefix('Source'),
  destination: prefix('Destination'),
  sourcePorts: ports('Source'),
  destinationPorts: ports('Destination'),
  interface: Type.Optional(
    Type.String({
      pattern: INTERFACE_PATTERN,
      description: 'By which interface it comes in; any when absent.',
    }),
  ),
  order: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: ORDER_MAX,
      default: ORDER_DEFAULT,
      description:
        'Rules are asked in ascending order, equal ones by name; the first match decides.',
    }),
  ),
  labels: Type.Optional(Labels),
}

/** What a client writes. `name` and `meta` come back from a read and are ignored. */
export const MarkRuleConfig = component(
  'MarkRuleConfig',
  Type.Object(
    {
      ...fields,
      name: Type.Optional(Type.String({ description: 'As in the path, when given.' })),
      meta: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
    },
    { additionalProperties: false, description: 'A mark rule as written.', examples: [example] },
  ),
)

export const MarkRule = component(
  'MarkRule',
  Type.Object(
    {
      name: Type.String({ pattern: NAME_PATTERN }),
      mark: Type.Integer(),
      addressFamily: StringEnum(FAMILIES),
      protocol: Type.String(),
      source: Type.Optional(Type.String()),
      destination: Type.Optional(Type.String()),
      sourcePorts: Type.Optional(Type.Array(Type.String())),
      destinationPorts: Type.Optional(Type.Array(Type.String())),
      interface: Type.Optional(Type.String()),
      order: Type.Integer(),
      labels: Labels,
      meta: Meta,
    },
    {
      description:
        'Gives packets a firewall mark. The marks of the kernel (iptables, nftables) never reach ' +
        'user space, so the appliance has rules of its own in their place. What matches a rule ' +
        'whose mark a virtual service asks for belongs to the dataplane, wherever it was going.',
    },
  ),
)

export const MarkRuleList = component(
  'MarkRuleList',
  Type.Object({
    items: Type.Array(MarkRule),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)

export const DeclaredMarkRuleList = component(
  'DeclaredMarkRuleList',
  Type.Object({
    items: Type.Array(MarkRuleConfig),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)

/** A rule's configuration, complete and normalised: what is stored and compared. */
export interface MarkRuleFields {
  mark: number
  addressFamily: FamilyName
  /** A name, or a number as text for those that have none. */
  protocol: string
  source?: string
  destination?: string
  sourcePorts?: string[]
  destinationPorts?: string[]
  interface?: string
  order: number
  labels: Record<string, string>
}
