/** Parts that several documents share. */
import { Type } from 'typebox'
import { component, Dictionary, StringEnum } from './components.js'
import { ServerHealthDocument } from './server-health.js'

export const NAME_PATTERN = '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$'
export const LABEL_PATTERN = '^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$'
const isName = new RegExp(NAME_PATTERN)
export const isValidName = (text: string): boolean => text.length <= 63 && isName.test(text)

const isLabel = new RegExp(LABEL_PATTERN)
export const isValidLabel = (text: string): boolean => isLabel.test(text)

export const Port = (description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, description })

export const Address = (description: string) => Type.String({ maxLength: 45, description })

export const Labels = Dictionary(Type.String({ maxLength: 255 }), {
  description: 'Free labels, for people and for filters.',
  propertyNames: { pattern: LABEL_PATTERN },
  maxProperties: 64,
  default: {},
})

export const OPERATING_STATUSES = [
  'ONLINE',
  'DRAINING',
  'OFFLINE',
  'DEGRADED',
  'ERROR',
  'NO_MONITOR',
] as const
export type OperatingStatus = (typeof OPERATING_STATUSES)[number]

export const Meta = component(
  'Meta',
  Type.Object(
    {
      uid: Type.String({ description: 'Tells a re-created object of the same name apart.' }),
      revision: Type.Integer({ description: 'Configuration revision of its last change.' }),
      createdAt: Type.String({ format: 'date-time' }),
      updatedAt: Type.String({ format: 'date-time' }),
      position: Type.Optional(
        Type.Integer({
          description:
            'Of virtual services, and of real servers within one: ascending in the order in which ' +
            "the dataplane got them. The kernel's own lists have the highest first.",
        }),
      ),
    },
    { description: 'Set by the server; ignored on write.', readOnly: true },
  ),
)
export type Meta = Type.Static<typeof Meta>

export const Reason = component(
  'Reason',
  Type.Object(
    {
      code: Type.String({ description: 'Stable code, for instance ADMIN_DRAINING.' }),
      since: Type.Optional(
        Type.String({ format: 'date-time', description: 'Absent when the moment is not known.' }),
      ),
      detail: Type.Optional(Type.String({ description: 'What was found, for people.' })),
    },
    { description: 'Why the status is what it is.' },
  ),
)
export type Reason = Type.Static<typeof Reason>

const count = (description: string) => Type.Number({ description })

/** ipvsadm's columns of --stats and --rate. */
export const Statistics = component(
  'Statistics',
  Type.Object(
    {
      conns: count('Connections scheduled.'),
      inPkts: count('Packets from clients.'),
      outPkts: count('Packets from real servers.'),
      inBytes: count('Octets from clients, IP headers included.'),
      outBytes: count('Octets from real servers, IP headers included.'),
      cps: count('Connections per second.'),
      inPps: count('Packets per second from clients.'),
      outPps: count('Packets per second from real servers.'),
      inBps: count('Octets per second from clients.'),
      outBps: count('Octets per second from real servers.'),
    },
    { description: "Counters and rates, in ipvsadm's columns." },
  ),
)

export const Status = component(
  'ServiceStatus',
  Type.Object(
    {
      operatingStatus: StringEnum(OPERATING_STATUSES),
      reasons: Type.Array(Reason),
      activeConns: count('Connections in an active state.'),
      inactConns: count('Other connections.'),
      persistConns: count('Persistence templates.'),
      statistics: Statistics,
    },
    { description: 'Live state; ignored on write.', readOnly: true },
  ),
)
export type Status = Type.Static<typeof Status>

export const RealServerStatus = component(
  'RealServerStatus',
  Type.Object(
    {
      operatingStatus: StringEnum(OPERATING_STATUSES),
      reasons: Type.Array(Reason),
      effectiveWeight: count(
        'Derived from weight, adminState, drain, health, policy and slow start; what is in effect.',
      ),
      health: Type.Union([ServerHealthDocument, Type.Null()], {
        description: 'Null: nothing checks it.',
      }),
      activeConns: count('Connections in an active state.'),
      inactConns: count('Other connections.'),
      persistConns: count('Persistence templates.'),
      statistics: Statistics,
    },
    { description: 'Live state; ignored on write.', readOnly: true },
  ),
)
export type RealServerStatus = Type.Static<typeof RealServerStatus>

export const Fault = component(
  'Fault',
  Type.Object(
    {
      pointer: Type.Optional(Type.String({ description: 'JSON Pointer into the document.' })),
      parameter: Type.Optional(Type.String({ description: 'Name of the faulty parameter.' })),
      code: Type.String({ description: 'Stable code, described at /problems/{code}.' }),
      detail: Type.String(),
      hint: Type.Optional(Type.String({ description: 'What was probably meant.' })),
    },
    { description: 'One fault of a document or of the parameters.' },
  ),
)

/** RFC 9457 problem details. */
export const ProblemDocument = component(
  'Problem',
  Type.Object(
    {
      type: Type.String({ format: 'uri-reference' }),
      title: Type.String(),
      status: Type.Integer(),
      detail: Type.String(),
      instance: Type.String({ format: 'uri-reference' }),
      code: Type.String({ description: 'Stable code; match on this, never on text.' }),
      requestId: Type.String({ description: 'Found again in the log.' }),
      errors: Type.Array(Fault, { description: 'Every fault, not only the first.' }),
    },
    {
      description: 'What went wrong, as RFC 9457 problem details.',
      examples: [
        {
          type: '/problems/VALIDATION_FAILED',
          title: 'The document is not valid',
          status: 422,
          detail: "There is no field 'wieght'.",
          instance: '/v1/virtual-services/web/real-servers/a',
          code: 'VALIDATION_FAILED',
          requestId: 'req-1f',
          errors: [
            {
              pointer: '/wieght',
              code: 'UNKNOWN_FIELD',
              detail: "There is no field 'wieght'.",
              hint: "Did you mean 'weight'?",
            },
          ],
        },
      ],
    },
  ),
)
