/** What goes on after its request was answered. */
import { Type } from 'typebox'
import { component, StringEnum } from './components.js'

const maybe = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })

export const Operation = component(
  'Operation',
  Type.Object(
    {
      id: Type.String(),
      kind: Type.String({ description: 'confirmation: a change that has to be confirmed.' }),
      state: StringEnum(['waiting', 'confirmed', 'cancelled', 'rolledBack'], {
        description:
          'waiting: until its deadline. confirmed: it stays. cancelled: it was taken back by ' +
          'request; rolledBack: because nobody confirmed it in time.',
      }),
      createdAt: Type.String({ format: 'date-time' }),
      deadline: maybe('When it ends by itself.'),
      endedAt: maybe('Null while it goes on.'),
      detail: Type.String({ description: 'For people.' }),
      revision: Type.Optional(Type.Integer({ description: 'That is to be confirmed.' })),
      rolledBackBy: Type.Optional(
        Type.Unsafe<number | null>({
          type: ['integer', 'null'],
          description: 'The revision that took it back.',
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
    items: Type.Array(Operation),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)
