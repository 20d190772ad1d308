/** What files say there should be, as a list of changes that make it so. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Change, Configuration } from '../../openapi/client/schema.js'
import { mustAnswer, type Session } from '../client/client.js'
import { UsageError, type Io } from './context.js'
import { textOf } from './exchange.js'

/** A part of the configuration that a file names, or that only the appliance has. */
export interface Resource {
  /** As in the document: `virtualServices/web`, `healthChecks/web`, `settings`. */
  name: string
  change: Change
}

export interface Declaration {
  resources: readonly Resource[]
  /** The configuration that it was made for, where that matters. */
  ifMatch: string | null
}

export const DECLARATION_HELP = `A document has virtualServices, healthChecks, markRules (all by name) and settings, each as the API
has them:

  virtualServices:
    web:
      protocol: tcp
      address: 198.51.100.10
      port: 80
      realServers: { a: { address: 10.0.0.1, port: 8080 } }`

/** Sections of a document; rules and checks come before the services that ask for them. */
const SECTIONS = {
  markRules: '/v1/mark-rules',
  healthChecks: '/v1/health-checks',
  virtualServices: '/v1/virtual-services',
} as const
type Section = keyof typeof SECTIONS

/**
 * Everything is read before anything is sent: a broken file changes nothing. With `prune` what the
 * files do not name goes, and settings that they do not name get their defaults.
 */
export async function declarationOf(
  session: Session,
  files: readonly string[],
  prune: boolean,
  io: Io,
): Promise<Declaration> {
  if (files.length === 0) throw new UsageError('say which files: -f FILE')
  const resources = new Map<string, Resource>()
  for (const file of files.flatMap(filesIn))
    for (const document of documentsIn(await textOf(file, io), file))
      for (const resource of resourcesOf(document, file)) {
        if (resources.has(resource.name))
          throw new UsageError(`${file}: ${resource.name} is there twice`)
        resources.set(resource.name, resource)
      }
  if (!prune) return { resources: [...resources.values()], ifMatch: null }
  const asked = session.client.GET('/v1/config', { params: { query: { view: 'declared' } } })
  const { data, response } = await mustAnswer(asked)
  const others = remains(data).filter(({ name }) => !resources.has(name))
  return { resources: [...others, ...resources.values()], ifMatch: response.headers.get('etag') }
}

const putOf = (section: Section, name: string, value: unknown): Resource => ({
  name: `${section}/${name}`,
  change: { op: 'put', path: `${SECTIONS[section]}/${name}`, value },
})

const settingsOf = (value: unknown): Resource => ({
  name: 'settings',
  change: { op: 'put', path: '/v1/settings', value },
})

/** How each part of a configuration is got rid of. */
function remains(configuration: Configuration): Resource[] {
  const named = (Object.keys(SECTIONS) as Section[]).flatMap(section =>
    Object.keys(configuration[section] ?? {}).map((name): Resource => {
      const { path } = putOf(section, name, null).change
      return { name: `${section}/${name}`, change: { op: 'delete', path } }
    }),
  )
  return [...named, settingsOf({})]
}

function filesIn(file: string): string[] {
  if (file === '-' || !statSync(file, { throwIfNoEntry: false })?.isDirectory()) return [file]
  const names = readdirSync(file).filter(name => /\.(ya?ml|json)$/.test(name))
  return names.sort().map(name => join(file, name))
}

function documentsIn(text: string, file: string): unknown[] {
  return [...parseAllDocuments(text)].flatMap(document => {
    const [fault] = document.errors
    if (fault !== undefined) throw new UsageError(`${file}: ${fault.message}`)
    const value = document.toJS({ maxAliasCount: 100 }) as unknown
    return value === null ? [] : [value]
  })
}

function resourcesOf(document: unknown, file: string): Resource[] {
  const sections = objectOf(document, `${file}: the document`)
  const known = [...Object.keys(SECTIONS), 'settings']
  const unknown = Object.keys(sections).find(key => !known.includes(key))
  if (unknown !== undefined)
    throw new UsageError(`${file}: there is no '${unknown}'; there are ${known.join(', ')}`)
  const named = (Object.keys(SECTIONS) as Section[]).flatMap(section =>
    Object.entries(objectOf(sections[section] ?? {}, `${file}: ${section}`)).map(([name, value]) =>
      putOf(section, name, value),
    ),
  )
  return sections.settings === undefined ? named : [...named, settingsOf(sections.settings)]
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new UsageError(`${what} is no mapping`)
}
