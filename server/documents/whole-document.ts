/**
 * The configuration as one document, and as its parts: a map from kind and name to the document of a
 * virtual service (without its real servers), a real server, a mark rule, a health check or the
 * settings.
 */
import type { Kind } from '../change/commit.js'
import { healthCheckFields, markRuleFields, serverFields, serviceFields } from './declared.js'
import { serviceFieldsWhole, settingsFields, type Manner } from './declared.js'
import type { Configuration } from '../change/draft.js'
import type { HealthCheckFields } from '../schemas/health-check.js'
import type { MarkRuleFields } from '../schemas/mark-rule.js'
import type { ServerConfig } from '../schemas/real-server.js'
import type { SettingsFields } from '../schemas/settings.js'
import type { ServiceFields } from '../schemas/virtual-service.js'
import { byName } from './views.js'

export type Documents = Map<string, object>
/** Where virtual services and real servers stand, by the same keys. */
export type Places = Map<string, number>

export const keyOfDocument = (kind: Kind, name: string): string => `${kind} ${name}`

export function splitKey(key: string): [kind: Kind, name: string] {
  const at = key.indexOf(' ')
  return [key.slice(0, at) as Kind, key.slice(at + 1)]
}

/** The whole configuration; equal ones are equal texts. Members that would be empty are left out. */
export function wholeDocument(configuration: Configuration, manner: Manner): object {
  const services = [...configuration.services()].sort(byName)
  const rules = [...configuration.markRules()].sort(byName)
  const checks = [...configuration.healthChecks()].sort(byName)
  return assembled({
    services: services.map(service => [service.name, serviceFieldsWhole(service, manner)]),
    rules: rules.map(rule => [rule.name, markRuleFields(rule, manner)]),
    checks: checks.map(check => [check.name, healthCheckFields(check, manner)]),
    settings: settingsFields(configuration.settings(), manner),
    manner,
  })
}

type Named = [name: string, document: object]

interface Parts {
  services: Named[]
  rules: Named[]
  checks: Named[]
  settings: object
  manner: Manner
}

function assembled({ services, rules, checks, settings, manner }: Parts): object {
  const shown = (members: object) => manner === 'full' || Object.keys(members).length > 0
  return {
    ...(shown(services) ? { virtualServices: Object.fromEntries(services) } : {}),
    ...(shown(rules) ? { markRules: Object.fromEntries(rules) } : {}),
    ...(shown(checks) ? { healthChecks: Object.fromEntries(checks) } : {}),
    ...(shown(settings) ? { settings } : {}),
  }
}

/** Every default said. */
export function documentsOf(configuration: Configuration): Documents {
  const documents: Documents = new Map()
  for (const { name, config, servers } of configuration.services()) {
    documents.set(keyOfDocument('virtualService', name), config)
    for (const server of servers)
      documents.set(keyOfDocument('realServer', `${name}/${server.name}`), server.config)
  }
  for (const { name, config } of configuration.markRules())
    documents.set(keyOfDocument('markRule', name), config)
  for (const { name, config } of configuration.healthChecks())
    documents.set(keyOfDocument('healthCheck', name), config)
  documents.set(keyOfDocument('settings', 'settings'), configuration.settings().config)
  return documents
}

export function placesOf(configuration: Configuration): Places {
  const places: Places = new Map()
  for (const { name, position, servers } of configuration.services()) {
    places.set(keyOfDocument('virtualService', name), position)
    for (const server of servers)
      places.set(keyOfDocument('realServer', `${name}/${server.name}`), server.position)
  }
  return places
}

/** The whole that has these parts. A real server without its service is left out. */
export function wholeOf(documents: Documents, manner: Manner = 'full'): object {
  const services = new Map<string, { document: object; servers: Named[]; config: ServiceFields }>()
  const rules: Named[] = []
  const checks: Named[] = []
  let settings: object = {}
  const sorted = [...documents].map(([key, document]) => ({ key: splitKey(key), document }))
  for (const { key, document } of sorted) {
    const [kind, name] = key
    if (kind === 'virtualService') {
      const config = document as ServiceFields
      services.set(name, { document: serviceFields({ config }, manner), servers: [], config })
    } else if (kind === 'markRule') rules.push([name, shownRule(name, document, manner)])
    else if (kind === 'healthCheck') checks.push([name, shownCheck(name, document, manner)])
    else if (kind === 'settings') settings = shownSettings(document, manner)
  }
  for (const { key, document } of sorted) {
    const [service = '', server = ''] = key[0] === 'realServer' ? key[1].split('/') : []
    const of = services.get(service)
    const config = document as ServerConfig
    of?.servers.push([server, serverFields(of, { config }, manner)])
  }
  const whole = [...services].map(([name, { document, servers }]): Named => {
    const none = manner === 'declared' && servers.length === 0
    const set = Object.fromEntries(servers.sort(byFirst))
    return [name, { ...document, ...(none ? {} : { realServers: set }) }]
  })
  for (const each of [whole, rules, checks]) each.sort(byFirst)
  return assembled({ services: whole, rules, checks, settings, manner })
}

const NO_META = { uid: '', revision: 0, createdAt: '', updatedAt: '' }

const shownRule = (name: string, document: object, manner: Manner): object =>
  markRuleFields({ name, meta: NO_META, config: document as MarkRuleFields }, manner)

const shownCheck = (name: string, document: object, manner: Manner): object =>
  healthCheckFields({ name, meta: NO_META, config: document as HealthCheckFields }, manner)

const shownSettings = (document: object, manner: Manner): object =>
  settingsFields({ name: 'settings', meta: NO_META, config: document as SettingsFields }, manner)

const byFirst = ([a]: Named, [b]: Named): number => (a < b ? -1 : a > b ? 1 : 0)
