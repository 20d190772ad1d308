/** What goes on after its request was answered. */
import { Type, type Static } from 'typebox'
import { ACTOR_KINDS } from '../auth/actor.js'
import { component, StringEnum } from './components.js'

const nullable = <T>(type: string, description: string, more: object = {}) =>
  Type.Unsafe<T | null>({ type: [type, 'null'], description, ...more })
const maybe = (description: string) =>
  nullable<string>('string', description, { format: 'date-time' })
const ofDrain = (description: string) => Type.Optional(Type.String({ description }))

export const OPERATION_KINDS = ['confirmation', 'drain'] as const
// prettier-ignore
export const OPERATION_STATES = ['waiting', 'confirmed', 'cancelled', 'rolledBack', 'draining', 'drained', 'expired'] as const

const DoneBy = (description: string) =>
  Type.Optional(
    Type.Unsafe<{ kind: string; name: string } | null>({
      type: ['object', 'null'],
      properties: { kind: { type: 'string', enum: [...ACTOR_KINDS] }, name: { type: 'string' } },
      required: ['kind', 'name'],
      description,
    }),
  )

export const DrainProgress = component(
  'DrainProgress',
  Type.Object(
    {
      connections: Type.Integer({ description: 'Now, active or not.' }),
      activeConns: Type.Integer({ description: 'Of these in an active state.' }),
      inactConns: Type.Integer({ description: 'The others.' }),
      persistConns: Type.Integer({ description: 'Persistence templates.' }),
      estimatedEndAt: maybe('At the rate so far; null when nothing can be said.'),
    },
    { description: 'How far a drain has come.' },
  ),
)
export type DrainProgress = Static<typeof DrainProgress>

export const Operation = component(
  'Operation',
  Type.Object(
    {
      id: Type.String(),
      kind: StringEnum(OPERATION_KINDS, {
        description:
          'confirmation: a change that has to be confirmed. drain: a real server that gets no new ' +
          'connections and gives up those that it has.',
      }),
      state: StringEnum(OPERATION_STATES, {
        description:
          'waiting: until its deadline. confirmed: it stays. cancelled: it was taken back by ' +
          'request; rolledBack: because nobody confirmed it in time. draining: it goes on; drained: no ' +
          'open connection is left, or the rest was ended; expired: the deadline passed and ' +
          'connections go on.',
      }),
      createdAt: Type.String({ format: 'date-time' }),
      deadline: maybe('When it ends by itself.'),
      endedAt: maybe('Null while it goes on.'),
      detail: Type.String({ description: 'For people.' }),
      revision: Type.Optional(Type.Integer({ description: 'That is to be confirmed.' })),
      rolledBackBy: Type.Optional(nullable<number>('integer', 'The revision that took it back.')),
      virtualService: ofDrain('Whose real server is drained.'),
      realServer: ofDrain('Name of the real server that is drained.'),
      deadlineSeconds: Type.Optional(Type.Integer({ description: 'As asked for.' })),
      onDeadline: Type.Optional(StringEnum(['keep', 'reset'], { description: 'As asked for.' })),
      connectionsAtStart: Type.Optional(Type.Integer({ description: 'When the drain began.' })),
      connectionsLeft: Type.Optional(
        nullable<number>('integer', 'That were open when it was over; null before.'),
      ),
      connectionsReset: Type.Optional(
        nullable<number>('integer', 'That were ended at the deadline; null: none were to be.'),
      ),
      startedBy: DoneBy('Who asked for the drain; null: it was not written down.'),
      endedBy: DoneBy('Who cancelled it, or the system; null while it goes on.'),
      progress: Type.Optional(
        Type.Unsafe<DrainProgress | null>({
          anyOf: [DrainProgress, { type: 'null' }],
          description: 'While it goes on.',
        }),
      ),
    },
    {
      description: 'What goes on after its request was answered.',
      examples: [
        {
          ...{ id: '0f8fad5b-d9cb-469f-a165-70867728950e', kind: 'confirmation', state: 'waiting' },
          createdAt: '2026-11-22T12:00:00.000Z',
          deadline: '2026-11-22T12:01:00.000Z',
          endedAt: null,
          detail: 'Revision 42 is taken back unless it is confirmed.',
          ...{ revision: 42, rolledBackBy: null },
        },
      ],
    },
  ),
)

export const OperationList = component(
  'OperationList',
  Type.Object({
    items: Type.Array(Operation, { description: 'Newest first.' }),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)
