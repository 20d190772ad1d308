/** Changes of the configuration as one: planned, or made all or none, perhaps to be confirmed. */
import { Option, type Command } from 'commander'
import type { Difference, Operation, Plan, Revision } from '../../openapi/client/schema.js'
import { must, mustFetch, type Session } from '../client/client.js'
import { Refused } from '../client/refused.js'
import { machineText } from '../output/format.js'
import { differencesText, planText } from '../output/plan-text.js'
import { outputOption, UsageError, type Io } from './context.js'
import type { Declaration } from './declaration.js'

export interface ChangeFlags {
  dryRun?: boolean
  confirmWithin?: string
  message?: string
  output: 'table' | 'json' | 'yaml'
}

/** What became of a change. */
export interface Outcome {
  revision: number
  changes: readonly Difference[]
  /** That has to be confirmed. */
  operation: Operation | null
}

export const withChangeOptions = (command: Command): Command =>
  command
    .option('--dry-run', 'only say what would change, and what it does to traffic')
    .option('--confirm-within <seconds>', 'take it back by itself unless confirmed in time')
    .option('-m, --message <text>', 'why, for the history')
    .addOption(outputOption('table', ['table', 'json', 'yaml']))

export const filesOption = () =>
  new Option('-f, --filename <file>', 'YAML or JSON, a folder, or - for standard input').argParser(
    (value: string, before: string[] | undefined) => [...(before ?? []), value],
  )

/** Query parameters of a write. */
export function writeQuery({ dryRun, confirmWithin, message }: Omit<ChangeFlags, 'output'>) {
  const confirmWithinSeconds = confirmWithin === undefined ? null : Number(confirmWithin)
  if (confirmWithinSeconds !== null && !(confirmWithinSeconds > 0))
    throw new UsageError(`--confirm-within: '${confirmWithin}' is no number of seconds`)
  return {
    ...(dryRun === true ? { dryRun } : {}),
    ...(confirmWithinSeconds === null ? {} : { confirmWithinSeconds }),
    ...(message === undefined ? {} : { message }),
  }
}

export async function planDeclaration(
  { client }: Session,
  { resources }: Declaration,
): Promise<Plan> {
  const changes = resources.map(({ change }) => change)
  return inWordsOf(resources, must(client.POST('/v1/plans', { body: { changes } })))
}

export async function applyDeclaration(
  session: Session,
  { resources, ifMatch }: Declaration,
  flags: ChangeFlags,
): Promise<Outcome> {
  const changes = resources.map(({ change }) => change)
  const condition = ifMatch === null ? {} : { 'if-match': ifMatch }
  const sent = post(session, '/v1/changesets', changes, writeQuery(flags), condition)
  return outcomeOf(session, await inWordsOf(resources, sent))
}

/** A POST that makes a revision; with its parameters, and what has to be true. */
export function post(
  session: Session,
  path: string,
  body: unknown,
  query: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const texts = Object.entries(query).map(([key, value]): [string, string] => [key, String(value)])
  const init = {
    ...{ method: 'POST', body: JSON.stringify(body) },
    headers: { 'content-type': 'application/json', ...headers },
  }
  return mustFetch(session.fetch(`${path}?${new URLSearchParams(texts).toString()}`, init))
}

/** From the answer to a change: what it changed, which the appliance keeps beside its revision. */
export async function outcomeOf(session: Session, response: Response): Promise<Outcome> {
  const body = (await response.json()) as Revision | Operation
  if ('state' in body) {
    const revision = body.revision!
    return { revision, changes: await changesOf(session, revision), operation: body }
  }
  // What changes nothing is answered with the revision that there is, which others have made.
  const isOurs = body.requestId === response.headers.get('x-request-id')
  const { revision } = body
  return { revision, changes: isOurs ? await changesOf(session, revision) : [], operation: null }
}

async function changesOf({ client }: Session, revision: number): Promise<Difference[]> {
  const params = { path: { revision: String(revision) } }
  return (await must(client.GET('/v1/config/revisions/{revision}/diff', { params }))).changes
}

/** Faults point into the list of changes; people know the document that they wrote. */
async function inWordsOf<T>(resources: Declaration['resources'], asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const { problem } = error
    const errors = problem.errors.map(fault => {
      const [, at, rest] =
        /^(?:\/changes)?\/(\d+)(?:\/(?:value|path|op))?(.*)$/.exec(fault.pointer ?? '') ?? []
      const resource = at === undefined ? undefined : resources[Number(at)]
      return resource === undefined ? fault : { ...fault, pointer: `/${resource.name}${rest}` }
    })
    throw new Refused({ ...problem, errors })
  }
}

export function printPlan(io: Io, plan: Plan, { output }: ChangeFlags): void {
  io.out(output === 'table' ? planText(plan) : machineText(plan, output))
}

/** The differences and the revision; `lines` says it in the words of who asked instead. */
export function printOutcome(io: Io, outcome: Outcome, { output }: ChangeFlags, lines?: string) {
  if (output !== 'table') return io.out(machineText(outcome, output))
  const { revision, changes, operation } = outcome
  io.out(lines ?? differencesText(changes))
  io.out(changes.length === 0 ? `revision ${revision}, as before\n` : `revision ${revision}\n`)
  if (operation === null) return
  const { id, deadline } = operation
  io.out(`taken back at ${deadline ?? '?'} unless confirmed: sluice confirm ${id}\n`)
}
