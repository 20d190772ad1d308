/** The drain of a real server. */
import { Type } from 'typebox'
import { component, StringEnum } from './components.js'

export const ON_DEADLINE = ['keep', 'reset'] as const
/** What a person waits for at most: a month. */
const DEADLINE_MAX_S = 31 * 24 * 3600

export const DRAIN_STATES = ['draining', 'drained', 'resetting', 'expired'] as const

export const deadlineSeconds = Type.Integer({
  minimum: 0,
  maximum: DEADLINE_MAX_S,
  description: 'From the request on; the moment itself is kept, through a restart too.',
})
export const onDeadline = {
  default: 'keep',
  description:
    'What becomes of connections that are left. keep: they go on. reset: they are ended (reset, ' +
    'ABORT; UDP flows go to another real server with their next datagram), templates too.',
}
const nullable = <T extends string | number>(type: string, description: string) =>
  Type.Unsafe<T | null>({ type: [type, 'null'], description })
const moment = (description: string) => Type.String({ format: 'date-time', description })
const count = (description: string) => Type.Integer({ description })

export const DrainRequest = component(
  'DrainRequest',
  Type.Object(
    {
      deadlineSeconds,
      onDeadline: Type.Optional(StringEnum(ON_DEADLINE, onDeadline)),
      status: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
    },
    {
      additionalProperties: false,
      description: 'A drain as asked for.',
      examples: [{ deadlineSeconds: 300, onDeadline: 'reset' }],
    },
  ),
)

export const Drain = component(
  'Drain',
  Type.Object(
    {
      deadlineSeconds,
      onDeadline: StringEnum(ON_DEADLINE, onDeadline),
      status: Type.Object(
        {
          state: StringEnum(DRAIN_STATES, {
            description:
              'drained: no open connection is left. resetting: the deadline has passed, what is left is ' +
              'being ended. expired: it has passed, and connections go on. In all of them the real ' +
              'server gets no new connections until the drain is deleted.',
          }),
          maintenance: nullable<string>(
            'string',
            'The maintenance that it is part of, which is what ends it; null: an operator’s own.',
          ),
          startedAt: moment('When it began.'),
          requestedAt: moment('When it was asked for as it is now.'),
          deadlineAt: moment('When `onDeadline` happens.'),
          connectionsAtStart: count('Connections when it began.'),
          connections: count('Connections now, active or not.'),
          activeConns: count('Of these in an active state.'),
          inactConns: count('The others.'),
          persistConns: count('Persistence templates, whose clients keep coming here.'),
          overConns: count(
            'Of the others those that have ended at both ends and are only remembered for a while ' +
              '(TIME_WAIT, CLOSE); counted once none is active.',
          ),
          estimatedEndAt: nullable<string>(
            'string',
            'When the last will have gone at the rate so far, or at the deadline that ends them; ' +
              'null when nothing can be said.',
          ),
          endedAt: nullable<string>(
            'string',
            'When it was over: nothing was left, or its deadline had been seen to.',
          ),
          connectionsReset: nullable<number>('integer', 'How many were ended then.'),
        },
        { readOnly: true, description: 'How far it has come; ignored on write.' },
      ),
    },
    {
      description: 'A drain of a real server.',
      examples: [
        {
          deadlineSeconds: 300,
          onDeadline: 'reset',
          status: {
            ...{ state: 'draining', maintenance: null },
            startedAt: '2026-11-22T12:00:00.000Z',
            requestedAt: '2026-11-22T12:00:00.000Z',
            deadlineAt: '2026-11-22T12:05:00.000Z',
            connectionsAtStart: 400,
            connections: 100,
            activeConns: 80,
            inactConns: 20,
            persistConns: 0,
            overConns: 0,
            estimatedEndAt: '2026-11-22T12:02:40.000Z',
            endedAt: null,
            connectionsReset: null,
          },
        },
      ],
    },
  ),
)
export type Drain = Type.Static<typeof Drain>
