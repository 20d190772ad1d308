/** The health-check document of the API. */
import { Type } from 'typebox'
import { Labels, Meta, NAME_PATTERN } from './common.js'
import { component, StringEnum } from './components.js'
import { CHECK_KINDS, checkExample, checkFields, type CheckFields } from './health-check-fields.js'

/** A named check's configuration, complete and normalised. */
export interface HealthCheckFields extends CheckFields {
  labels: Record<string, string>
}

export const example = { ...checkExample, labels: { team: 'web' } }

/** What a client writes. `name`, `meta` and `status` come back from a read and are ignored. */
export const HealthCheckConfig = component(
  'HealthCheckConfig',
  Type.Object(
    {
      kind: StringEnum(CHECK_KINDS),
      ...checkFields,
      labels: Type.Optional(Labels),
      name: Type.Optional(Type.String({ description: 'As in the path, when given.' })),
      meta: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
      status: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
    },
    {
      ...{ additionalProperties: false, examples: [example] },
      description: 'A health check as written. Each kind has fields of its own.',
    },
  ),
)

export const HealthCheck = component(
  'HealthCheck',
  Type.Object(
    {
      name: Type.String({ pattern: NAME_PATTERN }),
      kind: StringEnum(CHECK_KINDS),
      ...checkFields,
      labels: Labels,
      meta: Meta,
      status: Type.Object(
        {
          usedBy: Type.Array(Type.String(), {
            description: 'Virtual services, and real servers as service/server, that ask for it.',
          }),
        },
        { readOnly: true, description: 'Ignored on write.' },
      ),
    },
    {
      description:
        'Finds out whether a real server does its work. Virtual services ask for it by name ' +
        '(`healthChecks.named`); it then runs against each of their real servers.',
    },
  ),
)

const listOf = <T extends ReturnType<typeof Type.Object>>(name: string, item: T) =>
  component(
    name,
    Type.Object({
      items: Type.Array(item),
      nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    }),
  )

export const HealthCheckList = listOf('HealthCheckList', HealthCheck)
export const DeclaredHealthCheckList = listOf('DeclaredHealthCheckList', HealthCheckConfig)
