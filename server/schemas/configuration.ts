/** The configuration as one document, its revisions, and lists of changes. */
import { Type } from 'typebox'
import { NAME_PATTERN } from './common.js'
import { component, Dictionary, StringEnum } from './components.js'
import { HealthCheckConfig, example as healthCheck } from './health-check.js'
import { MarkRuleConfig, example as markRule } from './mark-rule.js'
import { ACTIONS, Difference, KINDS } from './plan.js'
import { SettingsConfig } from './settings.js'
import { VirtualServiceConfig, example as service } from './virtual-service.js'

const names = { propertyNames: { pattern: NAME_PATTERN } }
const DESCRIPTION =
  'The whole desired state. What is left out is not there, or has its default: PUT makes the ' +
  'configuration exactly this.'

const outline = (
  virtualServices: object,
  markRules: object,
  healthChecks: object,
  settings: object,
) =>
  Type.Object(
    {
      virtualServices: Type.Optional(Type.Unsafe<object>(virtualServices)),
      markRules: Type.Optional(Type.Unsafe<object>(markRules)),
      healthChecks: Type.Optional(Type.Unsafe<object>(healthChecks)),
      settings: Type.Optional(Type.Unsafe<object>(settings)),
    },
    { additionalProperties: false },
  )

/** What is looked at first; the parts are then read one by one. */
export const ConfigurationOutline = outline(
  { type: 'object', ...names },
  { type: 'object', ...names },
  { type: 'object', ...names },
  { type: 'object' },
)

export const Configuration = component(
  'Configuration',
  Type.Object(
    {
      virtualServices: Type.Optional(
        Dictionary(VirtualServiceConfig, { ...names, description: 'By name.' }),
      ),
      markRules: Type.Optional(Dictionary(MarkRuleConfig, { ...names, description: 'By name.' })),
      healthChecks: Type.Optional(
        Dictionary(HealthCheckConfig, { ...names, description: 'By name.' }),
      ),
      settings: Type.Optional(SettingsConfig),
    },
    {
      ...{ additionalProperties: false, description: DESCRIPTION },
      examples: [
        {
          virtualServices: { web: service },
          markRules: { edge: markRule },
          healthChecks: { web: healthCheck },
          settings: { timeouts: { tcpSeconds: 7200 } },
        },
      ],
    },
  ),
)

const Actor = Type.Union(
  [
    Type.Object({
      kind: Type.String({ description: 'How we know, for instance token.' }),
      name: Type.String(),
      scope: Type.String(),
      address: Type.Union([Type.String(), Type.Null()]),
    }),
    Type.Null(),
  ],
  { description: 'Who made it; null where nobody has to say who they are.' },
)

export const Revision = component(
  'Revision',
  Type.Object(
    {
      revision: Type.Integer(),
      at: Type.String({ format: 'date-time' }),
      actor: Actor,
      requestId: Type.Union([Type.String(), Type.Null()]),
      message: Type.Union([Type.String(), Type.Null()], { description: 'As `message` gave it.' }),
      changes: Type.Array(
        Type.Object({
          kind: StringEnum(KINDS),
          name: Type.String({ description: 'Of a real server: service/server.' }),
          action: StringEnum(ACTIONS),
        }),
        { description: 'What it changed, at most the first 100 documents; /diff has all.' },
      ),
    },
    {
      description: 'A change of the configuration.',
      examples: [
        {
          ...{ revision: 42, at: '2026-11-22T12:00:00.000Z', actor: null },
          ...{ requestId: 'a598f468-6', message: 'more weight for a' },
          changes: [{ kind: 'realServer', name: 'web/a', action: 'update' }],
        },
      ],
    },
  ),
)

export const RevisionList = component(
  'RevisionList',
  Type.Object({
    items: Type.Array(Revision),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)

export const DifferenceList = component(
  'DifferenceList',
  Type.Object({
    revision: Type.Integer(),
    against: Type.Union([Type.Integer(), Type.Null()], {
      description: 'The other revision; null for the one before.',
    }),
    changes: Type.Array(Difference),
  }),
)

export const RollbackRequest = component(
  'RollbackRequest',
  Type.Object(
    { revision: Type.Integer({ minimum: 0, description: 'Whose configuration is wanted back.' }) },
    { additionalProperties: false, required: ['revision'], examples: [{ revision: 1 }] },
  ),
)

/** Most changes of one list. */
export const CHANGES_MAX = 100_000

export const Change = component(
  'Change',
  Type.Object(
    {
      op: StringEnum(['put', 'patch', 'delete'], {
        description: 'put creates or replaces, patch is a merge patch (RFC 7396).',
      }),
      path: Type.String({
        maxLength: 256,
        description:
          'Of the resource: /v1/virtual-services/{name}, …/real-servers (put), ' +
          '…/real-servers/{server}, /v1/mark-rules/{name}, ' +
          '/v1/health-checks/{name} or /v1/settings (put, patch).',
      }),
      value: Type.Optional(Type.Unknown({ description: 'The document, or the patch.' })),
      ifMatch: Type.Optional(
        Type.String({ maxLength: 256, description: 'As the header If-Match of this one change.' }),
      ),
    },
    { additionalProperties: false, required: ['op', 'path'] },
  ),
)

export const ChangeList = component(
  'ChangeList',
  Type.Array(Change, {
    maxItems: CHANGES_MAX,
    description: 'Changes, each made on what those before it leave; all or none.',
    examples: [
      [
        { op: 'put', path: '/v1/virtual-services/web', value: service },
        { op: 'patch', path: '/v1/virtual-services/web/real-servers/a', value: { weight: 5 } },
        { op: 'patch', path: '/v1/settings', value: { sloppyTcp: true } },
      ],
    ],
  }),
)

export const PlanRequest = component(
  'PlanRequest',
  Type.Object(
    {
      configuration: Type.Optional(Configuration),
      changes: Type.Optional(ChangeList),
    },
    {
      ...{ additionalProperties: false, description: 'One of the two.' },
      examples: [
        {
          changes: [
            { op: 'patch', path: '/v1/virtual-services/web/real-servers/a', value: { weight: 0 } },
          ],
        },
      ],
    },
  ),
)
