/**
 * `sluice apply -f FILE`: makes the appliance have what the documents say. Repeating it changes
 * nothing. Each resource is written by itself, whole; those that are not named stay.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { parseAllDocuments } from 'yaml'
import { mustFetch } from '../client/client.js'
import { apiCommand, UsageError, type Context, type Io } from './context.js'
import { textOf } from './exchange.js'
import { repeatable } from './get.js'

interface ApplyFlags {
  filename?: string[]
}
interface Resource {
  name: string
  path: string
  document: unknown
}

const EXAMPLES = `sluice apply -f config.yaml
sluice apply -f /etc/sluice.d                 every .yaml, .yml and .json in it, by name
sluice get services web -o yaml               shows what a service looks like

A document has virtualServices, markRules (both by name) and settings, each as the API has them:

  virtualServices:
    web:
      protocol: tcp
      address: 198.51.100.10
      port: 80
      realServers: { a: { address: 10.0.0.1, port: 8080 } }`

/** Sections of a document; rules come before the services that ask for their marks. */
const SECTIONS: Readonly<Record<string, string>> = {
  markRules: '/v1/mark-rules',
  virtualServices: '/v1/virtual-services',
}

export function addApply(program: Command, io: Io): void {
  const command = program
    .command('apply')
    .description('make the appliance have what files say; repeating it changes nothing')
    .addOption(
      repeatable('-f, --filename <file>', 'YAML or JSON, a folder, or - for standard input'),
    )
  apiCommand<ApplyFlags>(command, io, EXAMPLES, async context => {
    const resources = await resourcesOf(context.flags.filename ?? [], io)
    for (const resource of resources) {
      const outcome = await put(context, resource).catch((error: unknown) => {
        io.err(`${resource.name} refused; what is listed above it is done, the rest is not\n`)
        throw error
      })
      io.out(`${resource.name} ${outcome}\n`)
    }
  })
}

/** created, configured or unchanged, by what the appliance says of it before and after. */
async function put({ session }: Context<ApplyFlags>, { path, document }: Resource) {
  const before = await session.fetch(path)
  await before.arrayBuffer()
  const written = await mustFetch(
    session.fetch(path, {
      ...{ method: 'PUT', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify(document),
    }),
  )
  await written.arrayBuffer()
  if (written.status === 201) return 'created'
  return before.headers.get('etag') === written.headers.get('etag') ? 'unchanged' : 'configured'
}

async function resourcesOf(files: readonly string[], io: Io): Promise<Resource[]> {
  if (files.length === 0) throw new UsageError('say what to apply: -f FILE')
  const resources: Resource[] = []
  for (const file of files.flatMap(filesIn)) {
    for (const document of documentsIn(await textOf(file, io), file))
      resources.push(...sectionsOf(document, file))
  }
  // Everything is read before anything is written: a broken file changes nothing.
  return resources
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

function sectionsOf(document: unknown, file: string): Resource[] {
  const sections = objectOf(document, `${file}: the document`)
  const known = [...Object.keys(SECTIONS), 'settings']
  const unknown = Object.keys(sections).find(key => !known.includes(key))
  if (unknown !== undefined)
    throw new UsageError(`${file}: there is no '${unknown}'; there are ${known.join(', ')}`)
  const named = Object.entries(SECTIONS).flatMap(([section, path]) =>
    Object.entries(objectOf(sections[section] ?? {}, `${file}: ${section}`)).map(
      ([name, each]): Resource => ({
        name: `${section}/${name}`,
        path: `${path}/${encodeURIComponent(name)}`,
        document: each,
      }),
    ),
  )
  if (sections.settings === undefined) return named
  return [...named, { name: 'settings', path: '/v1/settings', document: sections.settings }]
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new UsageError(`${what} is no mapping`)
}
