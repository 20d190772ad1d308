/** Path and query parameters. */
import { Type } from 'typebox'
import { SCOPES } from '../auth/scope.js'
import { StringEnum } from './components.js'
import { CHECK_KINDS } from './health-check-fields.js'
import { PHASES } from './maintenance.js'
import { OPERATION_KINDS, OPERATION_STATES } from './operation.js'
import { ADMIN_STATES, FORWARDINGS } from './real-server.js'
import { FAMILIES, FWMARK_MAX, PROTOCOLS, SCHEDULERS } from './virtual-service.js'
import { NAME_PATTERN } from './common.js'

/** `format: name` is what the validator looks at; the pattern is for readers. */
const Name = (description: string, example: string) =>
  Type.String({
    ...{ format: 'name', pattern: NAME_PATTERN, maxLength: 63, description },
    examples: [example],
  })

export const ServicePath = Type.Object({ name: Name('Name of the virtual service.', 'web') })
export const MarkRulePath = Type.Object({ name: Name('Name of the mark rule.', 'web') })
export const HealthCheckPath = Type.Object({ name: Name('Name of the health check.', 'web') })
export const MaintenancePath = Type.Object({ name: Name('Name of the maintenance.', 'rack-3') })
export const ServerPath = Type.Object({
  name: Name('Name of the virtual service.', 'web'),
  server: Name('Name of the real server.', 'a'),
})

export const CheckPath = Type.Object({
  name: Name('Name of the virtual service.', 'web'),
  server: Name('Name of the real server.', 'a'),
  check: Name('Name of the check.', 'web'),
})

const limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Most items of a page.' }),
)
const cursor = Type.Optional(
  Type.String({ description: '`nextCursor` of the page before; opaque.' }),
)
const labels = Type.Optional(
  Type.Array(Type.String(), { description: 'key=value; repeated, all must be there.' }),
)
const port = Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 }))
const address = Type.Optional(Type.String({ format: 'ip', description: 'In any written form.' }))

const mark = Type.Optional(Type.Integer({ minimum: 1, maximum: FWMARK_MAX }))

export const MESSAGE_MAX = 512

const view = Type.Optional(
  StringEnum(['full', 'declared'], {
    default: 'full',
    description: 'full says every default, declared leaves them out. Either can be sent back.',
  }),
)
const sort = (fields: readonly string[], usual = 'name') =>
  Type.Optional(
    Type.String({
      ...{ maxLength: 64, default: usual },
      description: `Field, with - before it for descending: ${fields.join(', ')}.`,
    }),
  )
const SORTS = ['name', 'activeConnections', 'inactiveConnections', 'createdAt', 'updatedAt']

/** What every write takes. */
const write = {
  dryRun: Type.Optional(
    Type.Boolean({
      default: false,
      description: 'Only says what the request would do: answer, differences, impact.',
    }),
  ),
  message: Type.Optional(
    Type.String({
      maxLength: MESSAGE_MAX,
      description: 'Why, for the history. The header Config-Message does the same.',
    }),
  ),
}
const confirmWithinSeconds = Type.Optional(
  Type.Integer({
    ...{ minimum: 1, maximum: 86_400 },
    description:
      'The change is in force at once and is taken back by itself unless it is confirmed within ' +
      'this time; the answer is 202 with the operation to confirm.',
  }),
)

export const ReadQuery = Type.Object({ view })
export const WriteQuery = Type.Object(write)
export const confirming = { ...write, confirmWithinSeconds }
export const ConfirmQuery = Type.Object(confirming)
export const RevisionsQuery = Type.Object({ limit, cursor })
export const RevisionPath = Type.Object({
  revision: Type.String({
    ...{ format: 'revision', pattern: '^\\d{1,15}$', maxLength: 15, examples: ['1'] },
    description: 'Number of the revision.',
  }),
})
export const DifferenceQuery = Type.Object({
  against: Type.Optional(
    Type.Integer({ minimum: 0, description: 'An older state; the one before when absent.' }),
  ),
})
export const TokensQuery = Type.Object({
  limit,
  cursor,
  sort: sort(['name', 'createdAt']),
  scope: Type.Optional(StringEnum(SCOPES)),
})
export const OperationsQuery = Type.Object({
  limit,
  cursor,
  kind: Type.Optional(StringEnum(OPERATION_KINDS)),
  state: Type.Optional(StringEnum(OPERATION_STATES)),
})
export const OperationPath = Type.Object({
  id: Type.String({ maxLength: 64, description: 'Of the operation.', examples: ['0f8fad5b'] }),
})

export const ServiceQuery = Type.Object({
  limit,
  cursor,
  view,
  sort: sort([...SORTS, 'position']),
  labels,
  protocol: Type.Optional(StringEnum(PROTOCOLS)),
  address,
  port,
  fwmark: mark,
  scheduler: Type.Optional(StringEnum(SCHEDULERS)),
  interface: Type.Optional(Type.String({ maxLength: 15 })),
})

export const ServerQuery = Type.Object({
  limit,
  cursor,
  view,
  sort: sort([...SORTS, 'position', 'weight']),
  labels,
  address,
  port,
  forwarding: Type.Optional(StringEnum(FORWARDINGS)),
  adminState: Type.Optional(StringEnum(ADMIN_STATES)),
})

export const MarkRuleQuery = Type.Object({
  limit,
  cursor,
  view,
  sort: sort(['order', 'name', 'mark', 'createdAt', 'updatedAt'], 'order'),
  labels,
  mark,
  addressFamily: Type.Optional(StringEnum(FAMILIES)),
})

export const HealthCheckQuery = Type.Object({
  limit,
  cursor,
  view,
  sort: sort(['name', 'kind', 'createdAt', 'updatedAt']),
  labels,
  kind: Type.Optional(StringEnum(CHECK_KINDS)),
})

const connectionFilters = {
  service: Type.Optional(
    Type.String({ description: 'Name of a virtual service.', examples: ['web'] }),
  ),
  client: Type.Optional(Type.String({ description: 'Address, prefix, or address:port.' })),
  realServer: Type.Optional(
    Type.String({ description: 'Name (with `service`), address, prefix, or address:port.' }),
  ),
  state: Type.Optional(Type.String({ description: 'As listed, for instance ESTABLISHED.' })),
  protocol: Type.Optional(StringEnum([...PROTOCOLS, 'ip'])),
  kind: Type.Optional(
    StringEnum(['all', 'connection', 'template'], {
      default: 'all',
      description: 'Connections, persistence templates, or both as `ipvsadm -Lc` lists them.',
    }),
  ),
}

export const ConnectionsQuery = Type.Object({
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 10000,
      description: 'Most items: 100 of a page and all of a stream when it is left out.',
    }),
  ),
  cursor,
  ...connectionFilters,
})

export const KillQuery = Type.Object({
  ...connectionFilters,
  all: Type.Optional(
    Type.Boolean({ default: false, description: 'All connections are meant, without a filter.' }),
  ),
  reset: Type.Optional(
    Type.Boolean({
      default: true,
      description:
        'Tells both ends: a reset (TCP), an ABORT (SCTP). Without it a connection is forgotten, and ' +
        'its next packet treated as one that belongs to none.',
    }),
  ),
  dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Only counts them.' })),
})

export const StatisticsQuery = Type.Object({
  service: Type.Optional(Type.String({ description: 'Only this virtual service.' })),
  table: Type.Optional(
    StringEnum(['counters', 'rates'], {
      default: 'counters',
      description: 'Which of ipvsadm’s tables, for `Accept: text/plain`.',
    }),
  ),
})

export const DeleteQuery = Type.Object({
  ...write,
  missingOk: Type.Optional(
    Type.Boolean({ default: false, description: '204 also when there is nothing to delete.' }),
  ),
})

export const DrainQuery = Type.Object({
  dryRun: Type.Optional(
    Type.Boolean({ default: false, description: 'Answers what would be, and does nothing.' }),
  ),
})

export const MaintenanceQuery = Type.Object({
  ...{ limit, cursor, sort: sort(['name']) },
  phase: Type.Optional(StringEnum(PHASES)),
})

export const MaintenanceDeleteQuery = Type.Object({
  dryRun: write.dryRun,
  missingOk: DeleteQuery.properties.missingOk,
})

export const SetQuery = Type.Object({
  ...write,
  mode: Type.Optional(
    StringEnum(['replace', 'merge'], {
      default: 'replace',
      description: 'merge leaves the real servers that are not in the document.',
    }),
  ),
})
