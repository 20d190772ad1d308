/** Documents about the present: connections, statistics, interfaces, version, health. */
import { Type } from 'typebox'
import { COUNTER_NAMES } from '../../dataplane/counters.js'
import { Statistics } from './common.js'
import { component } from './components.js'

const nullable = (type: string, description: string) =>
  Type.Unsafe<string | null>({ type: [type, 'null'], description })

const Endpoint = component(
  'Endpoint',
  Type.Object({ address: Type.String(), port: Type.Integer() }),
)

export const Connection = component(
  'Connection',
  Type.Object(
    {
      service: nullable('string', 'Name of the virtual service; null when it is gone.'),
      protocol: Type.String({ description: 'tcp, udp, sctp; ip for templates by firewall mark.' }),
      fwmark: Type.Unsafe<number | null>({
        type: ['integer', 'null'],
        description: 'Mark of the virtual service that made it; null for one with an address.',
      }),
      client: Endpoint,
      virtual: component(
        'VirtualEndpoint',
        Type.Object(
          { address: Type.String(), port: Type.Integer() },
          { description: "A template by mark has the mark as an address, as in ipvsadm's list." },
        ),
      ),
      realServer: Type.Object({
        name: nullable('string', 'Null when the real server is gone.'),
        address: Type.String(),
        port: Type.Integer(),
      }),
      forwarding: Type.String(),
      state: Type.String({ description: "As in ipvsadm's listing, for instance ESTABLISHED." }),
      expiresInSeconds: Type.Integer(),
      inPkts: Type.Number({ description: 'Packets from the client.' }),
      template: Type.Boolean({ description: 'A persistence template, not a connection itself.' }),
      engine: Type.Unsafe<{ name: string; data: string } | null>({
        type: ['object', 'null'],
        properties: { name: { type: 'string' }, data: { type: 'string' } },
        required: ['name', 'data'],
        description: 'Persistence engine and what it took from the packet; null without one.',
      }),
    },
    {
      description: 'One entry of the connection table.',
      examples: [
        {
          service: 'web',
          protocol: 'tcp',
          fwmark: null,
          client: { address: '192.0.2.9', port: 40000 },
          virtual: { address: '198.51.100.10', port: 80 },
          realServer: { name: 'a', address: '10.0.0.1', port: 8080 },
          forwarding: 'masq',
          state: 'ESTABLISHED',
          expiresInSeconds: 899,
          inPkts: 3,
          template: false,
          engine: null,
        },
      ],
    },
  ),
)

export const ConnectionList = component(
  'ConnectionList',
  Type.Object(
    { items: Type.Array(Connection), nextCursor: nullable('string', 'Null at the end.') },
    { description: 'A filter that matches little may give short, even empty pages on its way.' },
  ),
)

export const KillReport = component(
  'KillReport',
  Type.Object(
    {
      connections: Type.Integer({ description: 'Connections that were ended.' }),
      templates: Type.Integer({ description: 'Persistence templates that were deleted.' }),
      dryRun: Type.Boolean({ description: 'True: nothing was ended, only counted.' }),
    },
    { examples: [{ connections: 128, templates: 3, dryRun: false }] },
  ),
)

const count = Type.Number()
const traffic = { ...Statistics.properties, activeConns: count, inactConns: count }

export const StatisticsReport = component(
  'StatisticsReport',
  Type.Object({
    time: Type.String({ format: 'date-time' }),
    connections: Type.Number({ description: 'Entries of the connection table, with templates.' }),
    totals: Statistics,
    services: Type.Array(
      Type.Object({
        name: Type.String(),
        ...traffic,
        persistConns: count,
        realServers: Type.Array(
          Type.Object({ name: Type.String(), ...traffic, persistConns: count }),
        ),
      }),
    ),
    dataplane: Type.Object(Object.fromEntries(COUNTER_NAMES.map(name => [name, Type.Number()])), {
      description: 'Counters of the packet path; drops are named after their reason.',
    }),
  }),
)

export const InterfaceList = component(
  'InterfaceList',
  Type.Object({
    items: Type.Array(
      component(
        'Interface',
        Type.Object({
          name: Type.String(),
          dataplane: Type.Boolean({ description: 'Whether the dataplane works on it.' }),
          index: Type.Optional(Type.Integer()),
          macAddress: Type.String(),
          mtuOctets: Type.Optional(Type.Integer()),
          addresses: Type.Array(Type.String(), { description: 'In CIDR form.' }),
        }),
      ),
    ),
    nextCursor: nullable('string', 'Always null: all fit on one page.'),
  }),
)

export const Version = component(
  'Version',
  Type.Object({
    name: Type.String(),
    version: Type.String(),
    apiVersion: Type.String(),
    nodeVersion: Type.String(),
  }),
)

export const Health = component(
  'Health',
  Type.Object({ status: Type.String({ description: 'ok or ready.' }) }),
)

export const ProblemDescription = component(
  'ProblemDescription',
  Type.Object({
    code: Type.String(),
    status: Type.Optional(Type.Integer({ description: 'Absent for codes inside `errors`.' })),
    title: Type.String(),
    about: Type.String(),
  }),
)

export const ZeroRequest = component(
  'ZeroRequest',
  Type.Object(
    {
      service: Type.Optional(
        Type.String({ description: 'Only this virtual service, with its real servers.' }),
      ),
    },
    {
      additionalProperties: false,
      description: 'What to zero; everything, totals included, when empty or absent.',
      examples: [{ service: 'web' }],
    },
  ),
)
