/** What a change changes, and what it does to traffic: the answers of plans and trial runs. */
import { Type } from 'typebox'
import { component, StringEnum } from './components.js'

export const KINDS = [
  ...(['virtualService', 'realServer', 'markRule', 'healthCheck', 'settings'] as const),
] as const
export const ACTIONS = ['create', 'update', 'delete'] as const

const FieldDifference = component(
  'FieldDifference',
  Type.Object(
    {
      pointer: Type.String({ description: 'JSON Pointer into the document.' }),
      before: Type.Optional(Type.Unknown({ description: 'Absent when the field was not there.' })),
      after: Type.Optional(Type.Unknown({ description: 'Absent when the field is no more.' })),
    },
    { examples: [{ pointer: '/weight', before: 1, after: 5 }] },
  ),
)

export const Difference = component(
  'Difference',
  Type.Object(
    {
      kind: StringEnum(KINDS),
      name: Type.String({ description: 'Of a real server: service/server.' }),
      action: StringEnum(ACTIONS),
      fields: Type.Array(FieldDifference),
    },
    {
      description: 'One document that a change makes, alters or removes.',
      examples: [
        {
          ...{ kind: 'realServer', name: 'web/a', action: 'update' },
          fields: [{ pointer: '/weight', before: 1, after: 5 }],
        },
      ],
    },
  ),
)
export type Difference = Type.Static<typeof Difference>

const count = (description: string) => Type.Integer({ minimum: 0, description })

const SlotImpact = component(
  'SlotImpact',
  Type.Object({
    scheduler: StringEnum(['mh', 'sh']),
    total: count('Slots of its table.'),
    moved: count('Slots whose clients would get another server, or none.'),
    share: Type.Number({ minimum: 0, maximum: 1, description: 'moved / total' }),
  }),
)
export type SlotImpact = Type.Static<typeof SlotImpact>

export const Impact = component(
  'Impact',
  Type.Object(
    {
      connectionsLosingService: count('Connections whose virtual service would be gone.'),
      connectionsLosingServer: count('Other connections whose real server would be gone.'),
      servicesWithoutServer: Type.Array(Type.String(), {
        description: 'Virtual services that would have no real server to give new connections to.',
      }),
      servicesBelowMinimum: Type.Array(Type.String(), {
        description: 'Virtual services that would have fewer than their `policy.minimumUsable`.',
      }),
      services: Type.Array(
        Type.Object({
          name: Type.String(),
          action: StringEnum(ACTIONS),
          connectionsLosingService: count('Of this service.'),
          connectionsLosingServer: count('Of this service.'),
          usableServersBefore: count('Real servers that can take new connections.'),
          usableServersAfter: count('Real servers that could.'),
          minimumUsable: count('How many there should be.'),
          slots: Type.Union([SlotImpact, Type.Null()], {
            description: 'For the schedulers mh and sh.',
          }),
        }),
        { description: 'Every virtual service that the change touches.' },
      ),
    },
    {
      description: 'What a change would do to the connections that there are now.',
      examples: [
        {
          ...{ connectionsLosingService: 0, connectionsLosingServer: 12 },
          servicesWithoutServer: [],
          servicesBelowMinimum: [],
          services: [
            {
              ...{ name: 'web', action: 'update' },
              ...{ connectionsLosingService: 0, connectionsLosingServer: 12 },
              ...{ usableServersBefore: 3, usableServersAfter: 2, minimumUsable: 1 },
              slots: { scheduler: 'mh', total: 4093, moved: 1402, share: 0.3425 },
            },
          ],
        },
      ],
    },
  ),
)
export type ImpactDocument = Type.Static<typeof Impact>

export const PlanDocument = component(
  'Plan',
  Type.Object(
    {
      revision: Type.Integer({ description: 'Of the configuration that it was made against.' }),
      status: Type.Integer({ description: 'What the request would be answered with.' }),
      body: Type.Unknown({
        description: 'The body that it would be answered with; null for none.',
      }),
      changes: Type.Array(Difference),
      impact: Impact,
    },
    { description: 'What a request would do. Nothing was stored and nothing has changed.' },
  ),
)
export type PlanDocument = Type.Static<typeof PlanDocument>
