/** `sluice events`: what happened, and what happens while one looks. */
import { setTimeout } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import type { Event } from '../../openapi/client/schema.js'
import { must, mustFetch } from '../client/client.js'
import { Refused } from '../client/refused.js'
import { readEvents } from '../client/event-stream.js'
import { apiCommand, UsageError, type Context, type Io } from './context.js'

interface EventsFlags {
  follow?: boolean
  since?: string
  type?: string
  output: 'table' | 'json'
}

const EXAMPLES = `sluice events                                 the newest hundred
sluice events --follow                        those, then what happens
sluice events --since 42 --type realServer    everything about real servers after event 42
sluice events --follow -o json | jq .type     one object a line`
const PAGE = 1000
/** Before a lost stream is asked for again. */
const RETRY_MS = 1000

export function addEvents(program: Command, io: Io): void {
  const command = program
    .command('events')
    .description('show what happened, and follow what happens')
    .option('--follow', 'go on; resumes by itself when the connection is lost')
    .option('--since <event>', 'only what came after the event of this number')
    .option('--type <type>', 'as realServer.updated, or the part before the dot')
    .addOption(
      new Option('-o, --output <format>', 'how it is written; json is one object a line')
        .choices(['table', 'json'])
        .default('table'),
    )
  apiCommand<EventsFlags>(command, io, EXAMPLES, async context => {
    const { follow: goOn, since } = context.flags
    if (since !== undefined && !/^\d{1,10}$/.test(since))
      throw new UsageError(`--since: '${since}' is not the number of an event`)
    const seen = since === undefined ? await newest(context) : Number(since)
    if (goOn === true) await follow(context, seen)
    else if (since !== undefined) await upToNow(context, seen)
  })
}

const typeOf = ({ type }: EventsFlags) => (type === undefined ? {} : { type })

/** Prints the newest; the number of the last. */
async function newest(context: Context<EventsFlags>): Promise<number> {
  const query = typeOf(context.flags)
  const { items, lastEventId } = await must(
    context.session.client.GET('/v1/events', { params: { query } }),
  )
  print(context, items)
  return lastEventId
}

async function upToNow(context: Context<EventsFlags>, since: number): Promise<void> {
  for (let after = since; ;) {
    const query = { after, limit: PAGE, ...typeOf(context.flags) }
    const { items, lastEventId } = await must(
      context.session.client.GET('/v1/events', { params: { query } }),
    )
    print(context, items)
    if (lastEventId === after) return
    after = lastEventId
  }
}

/** Until the user stops it, or is no longer let; what is lost on the way is asked for again. */
async function follow(context: Context<EventsFlags>, from: number): Promise<void> {
  const { session, io, flags } = context
  const type = flags.type === undefined ? '' : `&type=${encodeURIComponent(flags.type)}`
  let last = from
  let wasThere = false
  while (!io.stopped.aborted) {
    try {
      const response = await mustFetch(
        session.fetch(`/v1/events?after=${last}${type}`, {
          ...{ headers: { accept: 'text/event-stream' }, signal: io.stopped },
        }),
      )
      wasThere = true
      for await (const { id, data } of readEvents(response.body!)) {
        print(context, [JSON.parse(data) as Event])
        last = Number(id)
      }
    } catch (error) {
      if (io.stopped.aborted) return
      if (wasThere && isElsewhere(error)) {
        io.err(`sluice: ${error.text}\nsluice: going on with the newest events\n`)
        last = await newest(context)
        continue
      }
      // A stream that breaks says so in many ways; a refusal is one thing, and stays.
      if (!wasThere || isFinal(error) || !(error instanceof Error)) throw error
      if (io.isTerminal) io.err(`sluice: ${error.message}; trying again\n`)
    }
    await setTimeout(RETRY_MS, undefined, { signal: io.stopped }).catch(() => undefined)
  }
}

/** What we have is no longer, or not yet, in the journal there. */
const isElsewhere = (error: unknown): error is Refused =>
  error instanceof Refused && error.problem.status === 410

/** An appliance that starts or stops answers 503: it will be there again. */
const isFinal = (error: unknown): boolean =>
  error instanceof Refused && error.problem.status !== 503

const print = ({ io, flags }: Context<EventsFlags>, items: readonly Event[]): void =>
  items.forEach(event =>
    io.out(flags.output === 'json' ? `${JSON.stringify(event)}\n` : lineOf(event)),
  )

/** `id  moment  type  name  who: what`, as far as there is something to say. */
function lineOf(event: Event): string {
  const { id, at, type, name, actor, outcome, detail } = event
  const who = actor === undefined ? [] : [`by ${actor.name}`]
  const what = [
    ...(outcome === 'done' ? [] : [outcome]),
    ...changed(event),
    ...(typeof detail?.message === 'string' ? [detail.message] : []),
  ]
  const words = [String(id), at, type, ...(name === null ? [] : [name]), ...who]
  return `${words.join('  ')}${what.length === 0 ? '' : `: ${what.join(', ')}`}\n`
}

/** `weight 3 → 0`, for what was altered. */
function changed({ before, after }: Event): string[] {
  if (before === null || after === null) return []
  const was = new Map<string, unknown>(Object.entries(before))
  return Object.entries(after).flatMap(([key, value]) => {
    const [old, now] = [JSON.stringify(was.get(key)), JSON.stringify(value)]
    return old === now ? [] : [`${key} ${old ?? 'none'} → ${now}`]
  })
}
