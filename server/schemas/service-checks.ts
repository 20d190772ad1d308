/** What virtual services and real servers say of their health checks. */
import { Type } from 'typebox'
import { Address, NAME_PATTERN } from './common.js'
import { component, Dictionary } from './components.js'
import { HOST_PATTERN, InlineCheck, words, type CheckFields } from './health-check-fields.js'

const common = {
  named: Type.Optional(
    Type.Array(Type.String({ maxLength: 63 }), {
      ...{ maxItems: 16, default: [] },
      description: 'Names of health checks, see /v1/health-checks.',
    }),
  ),
  inline: Type.Optional(
    Dictionary(InlineCheck, {
      ...{ maxProperties: 16, default: {}, propertyNames: { pattern: NAME_PATTERN } },
      description: 'Checks of its own, by name.',
    }),
  ),
  required: Type.Optional(
    Type.Integer({
      ...{ minimum: 1, maximum: 32 },
      description: 'So many of the checks have to be up; all when absent.',
    }),
  ),
}

export const ServiceChecks = component(
  'ServiceHealthChecks',
  Type.Object(common, {
    additionalProperties: false,
    description: 'What says of each real server whether it is up. Without checks nothing does.',
    examples: [{ named: ['web'], inline: { port: { kind: 'tcp' } }, required: 1 }],
  }),
)

export const ServerChecks = component(
  'ServerHealthChecks',
  Type.Object(
    {
      ...common,
      targetAddress: Type.Optional(
        Address('Every check of this server goes there instead; needs the scope `admin`.'),
      ),
      targetPort: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 65535, description: 'The same for the port.' }),
      ),
      host: words(259, 'The same for the header Host.', { pattern: HOST_PATTERN }),
    },
    {
      additionalProperties: false,
      description:
        'What is different for this real server. With `named` or `inline` these checks take the ' +
        'place of its service’s; `named: []` alone: nothing checks it.',
    },
  ),
)

export interface ServiceCheckFields {
  named: string[]
  inline: Record<string, CheckFields>
  required?: number
}

export interface ServerCheckFields {
  /** Both or none: with them its service's checks are not asked. */
  named?: string[]
  inline?: Record<string, CheckFields>
  required?: number
  targetAddress?: string
  targetPort?: number
  host?: string
}
