/** Maintenance of hosts: drains of all real servers that have an address or labels. */
import { Type } from 'typebox'
import { Address, LABEL_PATTERN, NAME_PATTERN } from './common.js'
import { component, Dictionary, StringEnum } from './components.js'
import { deadlineSeconds, DRAIN_STATES, ON_DEADLINE, onDeadline } from './drain.js'

export const PHASES = [
  ...(['scheduled', 'draining', 'drained', 'expired', 'ended', 'refused'] as const),
] as const
export type Phase = (typeof PHASES)[number]

const COMMENT_MAX = 512
/** A maintenance of a few hosts a day for years: whatever ended goes when there are more. */
export const MAINTENANCES_MAX = 1000

const count = (description: string) => Type.Integer({ minimum: 0, description })
const moment = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })
const text = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

const Selector = component(
  'MaintenanceSelector',
  Type.Object(
    {
      address: Type.Optional(Address('Of real servers, IPv4 or IPv6, whatever their port.')),
      labels: Type.Optional(
        Dictionary(Type.String({ maxLength: 255 }), {
          description: 'Labels of real servers; all must be there.',
          propertyNames: { pattern: LABEL_PATTERN },
          maxProperties: 64,
        }),
      ),
    },
    {
      additionalProperties: false,
      description:
        'Which real servers, in every virtual service: those with this address, those with these ' +
        'labels, with both those that have both. What comes to match while it lasts is drained, too.',
      examples: [{ address: '10.0.0.1' }],
    },
  ),
)

const fields = {
  selector: Selector,
  startAt: Type.Optional(
    Type.String({
      format: 'date-time',
      maxLength: 40,
      description:
        'When it begins, RFC 3339 by the wall clock of the appliance; at once if absent.',
    }),
  ),
  endAt: Type.Optional(
    Type.String({
      format: 'date-time',
      maxLength: 40,
      description: 'When it ends by itself; absent: when it is deleted.',
    }),
  ),
  deadlineSeconds,
  onDeadline: Type.Optional(StringEnum(ON_DEADLINE, onDeadline)),
  ignoreMinimum: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Begins although virtual services would fall below their `policy.minimumUsable`. Needs ' +
        'the scope `write`.',
    }),
  ),
  comment: Type.Optional(Type.String({ maxLength: COMMENT_MAX, description: 'For people.' })),
}

export const Shortfall = component(
  'Shortfall',
  Type.Object(
    {
      service: Type.String(),
      usableServers: count('Real servers that can take new connections.'),
      usableServersAfter: count('How many could, were those that it selects drained.'),
      minimumUsable: count('How many the policy of the virtual service wants.'),
    },
    { description: 'A virtual service that would have too few usable real servers.' },
  ),
)
export type Shortfall = Type.Static<typeof Shortfall>

const Member = component(
  'MaintenanceMember',
  Type.Object(
    {
      service: Type.String({ description: 'Virtual service.' }),
      server: Type.String({ description: 'Real server.' }),
      phase: StringEnum(['scheduled', ...DRAIN_STATES, 'disabled'], {
        description:
          'scheduled: not drained yet. disabled: its adminState keeps it out already. Otherwise the ' +
          'state of its drain.',
      }),
      maintenance: text(
        'Whose drain it is; null: an operator’s own, which this one neither changes nor ends, or none.',
      ),
      connections: count('Connections now, active or not.'),
      activeConns: count('Of these in an active state.'),
      connectionsAtStart: count('Connections when its drain began; until then as now.'),
      deadlineAt: moment('When `onDeadline` happens.'),
      estimatedEndAt: moment('When its last connection will have gone; null: nobody knows.'),
      connectionsReset: Type.Unsafe<number | null>({
        type: ['integer', 'null'],
        description: 'How many were ended at the deadline.',
      }),
    },
    { description: 'A real server that is selected, and how far its drain has come.' },
  ),
)
export type Member = Type.Static<typeof Member>

const Totals = Type.Object(
  {
    services: count('Virtual services with a selected real server.'),
    servers: count('Selected real servers.'),
    drained: count('Of these without an open connection, or disabled.'),
    connections: count('Connections of all of them.'),
    activeConns: count('Of these in an active state.'),
    connectionsAtStart: count('Connections when their drains began.'),
    deadlineAt: moment('The last deadline.'),
    estimatedEndAt: moment('When the last connection will have gone; null: nobody knows.'),
  },
  { description: 'All members together.' },
)

const Status = component(
  'MaintenanceStatus',
  Type.Object(
    {
      phase: StringEnum(PHASES, {
        description:
          'scheduled: before `startAt`. draining: connections are left. drained: no open connection ' +
          'is left. expired: deadlines have passed, and connections go on. ended: `endAt` has passed. ' +
          'refused: it could not begin, see `detail`; sent again, it tries again.',
      }),
      detail: text('Why it is refused, or would be if it began now.'),
      createdAt: Type.String({ format: 'date-time' }),
      updatedAt: Type.String({ format: 'date-time' }),
      startedAt: moment('When it began.'),
      endedAt: moment('When it ended, or was refused.'),
      belowMinimum: Type.Array(Shortfall, {
        description: 'Virtual services for which it is, or would be, refused.',
      }),
      totals: Totals,
      members: Type.Optional(
        Type.Array(Member, { description: 'By service and name; not in lists.' }),
      ),
    },
    { readOnly: true, description: 'How far it has come; ignored on write.' },
  ),
)
export type MaintenanceStatus = Type.Static<typeof Status>

const example = { selector: { address: '10.0.0.1' }, deadlineSeconds: 300, onDeadline: 'reset' }

export const MaintenanceRequest = component(
  'MaintenanceRequest',
  Type.Object(
    {
      ...fields,
      name: Type.Optional(Type.String({ description: 'As in the path, when given.' })),
      status: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
    },
    {
      additionalProperties: false,
      description: 'A maintenance as asked for.',
      examples: [{ ...example, startAt: '2035-01-01T02:00:00Z', endAt: '2035-01-01T04:00:00Z' }],
    },
  ),
)

export const Maintenance = component(
  'Maintenance',
  Type.Object(
    { name: Type.String({ pattern: NAME_PATTERN }), ...fields, status: Status },
    {
      description: 'Maintenance of a host, or of whatever real servers its selector finds.',
      examples: [
        {
          ...{ name: 'rack-3', ...example },
          ...{ ignoreMinimum: false, comment: 'New fans.' },
          status: {
            ...{ phase: 'draining', detail: null },
            ...{ createdAt: '2026-11-22T12:00:00.000Z', updatedAt: '2026-11-22T12:00:00.000Z' },
            ...{ startedAt: '2026-11-22T12:00:00.000Z', endedAt: null, belowMinimum: [] },
            totals: {
              ...{ services: 1, servers: 1, drained: 0, connections: 100, activeConns: 80 },
              ...{ connectionsAtStart: 400, deadlineAt: '2026-11-22T12:05:00.000Z' },
              estimatedEndAt: '2026-11-22T12:02:40.000Z',
            },
            members: [
              {
                ...{ service: 'web', server: 'a', phase: 'draining', maintenance: 'rack-3' },
                ...{ connections: 100, activeConns: 80, connectionsAtStart: 400 },
                deadlineAt: '2026-11-22T12:05:00.000Z',
                estimatedEndAt: '2026-11-22T12:02:40.000Z',
                connectionsReset: null,
              },
            ],
          },
        },
      ],
    },
  ),
)
export type Maintenance = Type.Static<typeof Maintenance>

export const MaintenanceList = component(
  'MaintenanceList',
  Type.Object({ items: Type.Array(Maintenance), nextCursor: text('') }),
)
