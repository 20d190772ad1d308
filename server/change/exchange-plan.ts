/** What an import makes of the configuration: the plan of taking it over. */
import type { Kinds } from './change-list.js'
import { planConfiguration } from './config-plan.js'
import { Problem, type Fault } from '../errors.js'
import { FAULTS_MAX } from '../documents/findings.js'
import type { Plan } from './ground.js'
import { mergePatch } from '../http/merge-patch.js'
import type { MODES } from '../schemas/exchange.js'
import { isObject, quote } from '../schemas/walk.js'
import { wholeDocument } from '../documents/whole-document.js'
import type { Imported, ImportedDocument } from '../exchange/assembly.js'
import type { Entry } from '../exchange/report.js'

export type Mode = (typeof MODES)[number]
type Document = Readonly<Record<string, unknown>>

/**
 * What a format cannot say of a virtual service and of a real server, so that it stays. Of health
 * checks and policies a text may say nothing: then they stay as well.
 */
const SERVICE_EXTRAS = ['interface', 'labels', 'policy', 'healthChecks']
const SERVER_EXTRAS = ['adminState', 'labels', 'priority']

/**
 * merge: what is named becomes as it is written, real servers that are not named stay. replace: the
 * virtual services and real servers are those of the text. Mark rules stay either way.
 */
export function takeOver({ document }: Imported, mode: Mode, kinds: Kinds): Plan<null> {
  return ground => {
    const present = wholeDocument(ground.draft, 'declared') as Document
    const services = membersOf(present.virtualServices)
    const written = Object.entries(document.virtualServices).map(([name, service]) => [
      name,
      merged(membersOf(services[name]), service, mode),
    ])
    const virtualServices = {
      ...(mode === 'merge' ? services : {}),
      ...(Object.fromEntries(written) as Document),
    }
    const settings = mergePatch(present.settings ?? {}, document.settings ?? {})
    planConfiguration(ground, { ...present, virtualServices, settings }, kinds)
    return { status: 200, body: () => null }
  }
}

function merged(
  present: Document,
  { realServers = {}, ...service }: ImportedDocument['virtualServices'][string],
  mode: Mode,
): Document {
  const known = membersOf(present.realServers)
  const checked = [service, ...Object.values(realServers)].some(
    ({ healthChecks }) => healthChecks !== undefined,
  )
  const extras = checked ? SERVER_EXTRAS : [...SERVER_EXTRAS, 'healthChecks']
  const named = Object.entries(realServers).map(([name, server]) => [
    name,
    { ...picked(known[name], extras), ...server },
  ])
  return {
    ...picked(present, SERVICE_EXTRAS),
    ...service,
    ...(service.policy === undefined
      ? {}
      : { policy: mergedPolicy(membersOf(present.policy), service.policy) }),
    realServers: { ...(mode === 'merge' ? known : {}), ...(Object.fromEntries(named) as Document) },
  }
}

/** A sorry server steps in instead of whatever else was to be done. */
function mergedPolicy(present: Document, policy: object): Document {
  const { allDown, ...rest } = present
  const stays = allDown !== undefined && !('sorryServer' in policy)
  return { ...rest, ...(stays ? { allDown } : {}), ...policy }
}

/** Throws when something is refused: half a configuration has to be asked for. */
export function demandWhole({ report, summary }: Imported): void {
  if (summary.refused === 0) return
  const refused = report.filter(({ action }) => action === 'refused').slice(0, FAULTS_MAX)
  const count = summary.refused === 1 ? '1 statement is' : `${summary.refused} statements are`
  const detail = `${count} refused, so nothing was stored. With partial=true the rest is applied.`
  throw new Problem('VALIDATION_FAILED', detail, { errors: refused.map(faultOf) })
}

const faultOf = ({ line, column, text, reason = 'It cannot be right.' }: Entry): Fault => ({
  pointer: '',
  code: 'INVALID_VALUE',
  detail: `Line ${line}, column ${column}, ${quote(text)}: ${reason}`,
})

const membersOf = (value: unknown): Document => (isObject(value) ? value : {})

function picked(document: unknown, names: readonly string[]): Document {
  const members = membersOf(document)
  return Object.fromEntries(
    names.filter(name => Object.hasOwn(members, name)).map(name => [name, members[name]]),
  )
}
