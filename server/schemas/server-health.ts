/** What the health checks of one real server come to. */
import { Type } from 'typebox'
import { component, StringEnum } from './components.js'

export const CHECK_STATES = ['up', 'down', 'unknown'] as const

export const ServerHealthDocument = component(
  'RealServerHealth',
  Type.Object(
    {
      state: StringEnum(CHECK_STATES, { description: 'unknown: no verdict yet.' }),
      since: Type.String({ format: 'date-time', description: 'When it came into this state.' }),
      detail: Type.Unsafe<string | null>({
        ...{ type: ['string', 'null'] },
        description: 'The check that failed last, and why; null when there was none.',
      }),
    },
    { description: 'What the health checks of a real server come to.' },
  ),
)
