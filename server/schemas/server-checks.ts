/** The checks of one real server as they stand: states, results, transcripts. */
import { Type } from 'typebox'
import { component, StringEnum } from './components.js'
import { CHECK_KINDS } from './health-check-fields.js'
import { CHECK_STATES, ServerHealthDocument } from './server-health.js'

const moment = (description: string) => Type.String({ format: 'date-time', description })
const count = (description: string) => Type.Integer({ minimum: 0, description })
const OUTCOMES = ['success', 'failure'] as const

const Step = component(
  'HealthCheckStep',
  Type.Object(
    {
      atMilliseconds: Type.Number({ description: 'Since the start of the run.' }),
      step: Type.String({
        description: 'target, route, connect, tls, send, receive, execute or judge.',
      }),
      detail: Type.String(),
      octets: Type.Optional(count('Sent or received.')),
      excerpt: Type.Optional(
        Type.String({ description: 'The first of them; what is not printable as \\xNN.' }),
      ),
    },
    { description: 'A line of a transcript.' },
  ),
)

const run = {
  outcome: StringEnum(OUTCOMES),
  reason: Type.Unsafe<string | null>({
    ...{ type: ['string', 'null'] },
    description: 'Of a failure: timeout, refused, unreachable, closed, tls, status, mismatch, …',
  }),
  detail: Type.String({ description: 'What was found, in a sentence.' }),
  warnings: Type.Array(Type.String(), {
    description: 'For instance a certificate that ends soon.',
  }),
  startedAt: moment('By the wall clock.'),
  durationMilliseconds: Type.Number(),
  transcript: Type.Array(Step),
}

const runExample = {
  ...{ outcome: 'failure', reason: 'status', detail: 'The answer has status 503.', warnings: [] },
  ...{ startedAt: '2030-01-01T00:00:00.000Z', durationMilliseconds: 3.2 },
  transcript: [
    { atMilliseconds: 0, step: 'target', detail: '10.0.0.1 port 8080' },
    { atMilliseconds: 0.9, step: 'connect', detail: 'Connected.' },
    { atMilliseconds: 1.1, step: 'send', detail: 'The request.', octets: 78 },
    {
      atMilliseconds: 3.1,
      step: 'receive',
      detail: 'The answer.',
      octets: 152,
      excerpt: 'HTTP/1.1 503',
    },
  ],
}

export const HealthCheckRun = component(
  'HealthCheckRun',
  Type.Object(run, { description: 'One run of a check.', examples: [runExample] }),
)

export const ServerCheck = component(
  'RealServerCheck',
  Type.Object(
    {
      name: Type.String(),
      kind: StringEnum(CHECK_KINDS),
      state: StringEnum(CHECK_STATES),
      since: moment('When it came into this state.'),
      contraryResults: count('Results in a row that speak against the state; see rise and fall.'),
      runs: count('Since it was set up.'),
      failures: count('Of these.'),
      last: Type.Union([HealthCheckRun, Type.Null()], {
        description: 'The last run; null before the first.',
      }),
      lastFailures: Type.Array(HealthCheckRun, { description: 'The last five, oldest first.' }),
    },
    { description: 'A check of one real server.' },
  ),
)

export const ServerCheckList = component(
  'RealServerCheckList',
  Type.Object(
    {
      health: Type.Union([ServerHealthDocument, Type.Null()], {
        description: 'Null: nothing checks it.',
      }),
      required: count('So many have to be up.'),
      items: Type.Array(ServerCheck),
    },
    { description: 'The health checks of a real server.' },
  ),
)

export const RunRequest = component(
  'HealthCheckRunRequest',
  Type.Object(
    { check: Type.Optional(Type.String({ maxLength: 63, description: 'Only this one.' })) },
    { additionalProperties: false, examples: [{}], description: 'Which checks to run.' },
  ),
)

export const RunList = component(
  'HealthCheckRunList',
  Type.Object(
    {
      items: Type.Array(Type.Object({ name: Type.String({ description: 'The check.' }), ...run })),
    },
    { description: 'What was found just now; it counts for nothing.' },
  ),
)

export const StateReport = component(
  'HealthCheckReport',
  Type.Object(
    {
      state: StringEnum(['up', 'down']),
      detail: Type.Optional(
        Type.String({ maxLength: 512, description: 'Why, for people.', default: '' }),
      ),
      expiresInSeconds: Type.Optional(
        Type.Integer({
          ...{ minimum: 1, maximum: 31_536_000 },
          description: 'For so long; else for the `expirySeconds` of the check, or until the next.',
        }),
      ),
    },
    {
      ...{ additionalProperties: false, examples: [{ state: 'up', detail: 'deployed 1.4.2' }] },
      description: 'What somebody outside knows of a real server.',
    },
  ),
)
