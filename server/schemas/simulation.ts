/** What is asked of /v1/simulations, and what it answers. */
import { Type } from 'typebox'
import { COUNTER_NAMES } from '../../dataplane/counters.js'
import { Address, Port } from './common.js'
import { component, StringEnum } from './components.js'
import { FWMARK_MAX, INTERFACE_PATTERN } from './virtual-service.js'

/** Two digits an octet of the largest IPv6 packet, each with a separator. */
const PACKET_MAX = 65575 * 3

const endpoint = (which: string) =>
  Type.Optional(
    Type.Object(
      { address: Address('IPv4 or IPv6.'), port: Port('Host order.') },
      { additionalProperties: false, description: which },
    ),
  )

export const SimulationRequest = component(
  'SimulationRequest',
  Type.Object(
    {
      protocol: Type.Optional(StringEnum(['tcp', 'udp', 'sctp'] as const)),
      client: endpoint('Where the packet comes from.'),
      virtual: endpoint('Where it goes.'),
      tcpFlags: Type.Optional(
        Type.String({
          pattern: '^[FSRPAUEC]{0,8}$',
          default: 'S',
          description: 'FIN SYN RST PSH ACK URG ECE CWR by their first letters.',
        }),
      ),
      packet: Type.Optional(
        Type.String({
          maxLength: PACKET_MAX,
          description:
            'In place of these four: a whole packet in hexadecimal, from the IP header on. Spaces ' +
            'and colons between octets are passed over.',
        }),
      ),
      interface: Type.Optional(
        Type.String({
          pattern: INTERFACE_PATTERN,
          description: 'By which it comes in; where the way back to the client leads when absent.',
        }),
      ),
      mark: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: FWMARK_MAX,
          description: 'Firewall mark in place of what the mark rules give; 0 for none.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description: 'A 5-tuple, or a packet.',
      examples: [
        {
          protocol: 'tcp',
          client: { address: '192.0.2.9', port: 40000 },
          virtual: { address: '198.51.100.10', port: 80 },
        },
      ],
    },
  ),
)

const orNull = (type: 'string' | 'integer', description: string) =>
  Type.Unsafe<string | number | null>({ type: [type, 'null'], description })

const objectOrNull = (properties: Record<string, object>, description: string) =>
  Type.Unsafe<object | null>({
    type: ['object', 'null'],
    ...{ properties, required: Object.keys(properties), description },
  })

const place = Type.Object({ address: Type.String(), port: Type.Integer() })
const packet = {
  text: Type.String({ description: 'One line, after the manner of tcpdump.' }),
  hex: Type.String({ description: 'From the IP header on.' }),
}
const flow = {
  status: StringEnum(['existing', 'new', 'replaced'] as const, {
    description: 'replaced: there was one, whose place a new one takes.',
  }),
  protocol: Type.String(),
  client: place,
  virtual: place,
  realServer: place,
  forwarding: Type.String(),
}
const expiry = {
  expiresInSeconds: Type.Integer({ description: 'Now; of a new one after the packet.' }),
}

const SimulatedServer = component(
  'SimulatedServer',
  Type.Object({
    name: orNull('string', 'Null when the real server is gone.'),
    ...place.properties,
    forwarding: Type.String(),
    weight: Type.Integer({ description: 'The effective weight, as the scheduler sees it.' }),
    activeConns: Type.Integer(),
    inactConns: Type.Integer(),
    persistConns: Type.Integer(),
    upperThreshold: Type.Integer(),
    lowerThreshold: Type.Integer(),
    overloaded: Type.Boolean(),
    chosen: Type.Boolean(),
    passedOver: orNull(
      'string',
      'Null for the one that gets the packet. notAvailable: deleted, and only has connections ' +
        'left; weightZero; overloaded; slowStart: it has had its share for now; notChosen: the scheduler preferred another; notAsked: a ' +
        'connection or template decides, or nothing is scheduled.',
    ),
  }),
)

export const Simulation = component(
  'Simulation',
  Type.Object(
    {
      packet: Type.Object({ interface: Type.String(), ...packet }, { description: 'As it came.' }),
      mark: Type.Object({
        value: Type.Integer(),
        rule: orNull('string', 'Name of the mark rule that gives it.'),
        used: Type.Boolean({ description: 'False when no virtual service asks for this mark.' }),
      }),
      service: objectOrNull(
        {
          name: orNull('string', 'Null when it is not configured any more.'),
          key: Type.String({ description: 'Protocol and endpoint, or family and mark.' }),
          lookup: Type.String({
            description: 'mark, exact, ftp or anyPort: the step that found it.',
          }),
          scheduler: Type.String(),
          random: Type.Boolean({ description: 'It draws lots: the next answer may differ.' }),
        },
        'The virtual service; null when there is none for the packet.',
      ),
      direction: StringEnum(['in', 'out', 'none'] as const),
      connection: objectOrNull(
        {
          ...flow,
          ...expiry,
          stateBefore: orNull('string', 'Null for a new one.'),
          stateAfter: orNull('string', 'Null when the packet ends it.'),
        },
        'Null without one, and for one-packet scheduling, which leaves none behind.',
      ),
      template: objectOrNull({ ...flow, ...expiry }, 'Persistence template of the connection.'),
      decidedBy: orNull(
        'string',
        'connection, template, scheduler, or realServer for a call that one begins.',
      ),
      realServers: Type.Array(SimulatedServer, { description: 'As the scheduler walks them.' }),
      ttl: objectOrNull(
        {
          value: Type.Integer(),
          outcome: Type.String({ description: 'enough, expired, notChecked' }),
        },
        'Null when the packet goes nowhere from here.',
      ),
      mtu: objectOrNull(
        {
          octets: Type.Integer({ description: 'Of the packet as it came.' }),
          limitOctets: orNull('integer', 'What fits, a tunnel header already taken off.'),
          outcome: Type.String({ description: 'fits, fragmented, tooBig, notChecked' }),
        },
        'Null when the packet goes nowhere from here.',
      ),
      nextHop: objectOrNull(
        {
          towards: Type.String(),
          kind: Type.String({ description: 'ethernet, kernel, local, unreachable' }),
          interface: orNull('string', 'Null when the kernel finds the way.'),
          macAddress: orNull('string', 'Of the neighbour.'),
        },
        'Null when the packet goes nowhere from here.',
      ),
      sent: Type.Array(
        Type.Object({
          interface: orNull('string', "Null for what the host's kernel is given to send."),
          srcMac: orNull('string', 'Null for the same.'),
          dstMac: orNull('string', 'Null for the same.'),
          ...packet,
        }),
        { description: 'What leaves, rewritten: the packet, its parts, or an answer to it.' },
      ),
      verdict: StringEnum(['forwarded', 'answered', 'held', 'dropped', 'host'] as const, {
        description: 'host: none of the dataplane’s business; held: waits for more fragments.',
      }),
      counter: orNull('string', 'The counter that would say so; reasons of drops first.'),
      counters: Type.Object(
        Object.fromEntries(COUNTER_NAMES.map(name => [name, Type.Optional(Type.Number())])),
        { description: 'Every counter that would move, and by how much.' },
      ),
    },
    { description: 'What would become of a packet.' },
  ),
)
