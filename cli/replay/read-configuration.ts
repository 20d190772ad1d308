/** Reads a configuration file: JSON as GET /v1/config gives it, or what `ipvsadm -S` wrote. */
import { readFileSync } from 'node:fs'
import type { Fault } from '../../server/errors.js'
import { Findings } from '../../server/documents/findings.js'
import { faultOf } from '../../server/http/json-text.js'
import { readSettings } from '../../server/documents/settings-document.js'
import { faultsOf, isObject } from '../../server/schemas/walk.js'
import { reasonOf } from '../pcap/octet-source.js'
import { ConfigurationError, type ReplayConfiguration } from './configuration.js'
import { ReplayDocument, type NetworkDocument } from './document.js'
import { readIpvsadm } from './ipvsadm-file.js'
import { collect, readMarkRules } from './mark-rules.js'
import { readNetwork } from './network-plan.js'
import { readServices } from './services.js'

const YAML_START = /^(---|%YAML|[A-Za-z][\w-]*:(\s|$))/m

/** Throws ConfigurationError with every fault. */
export async function readConfiguration(path: string): Promise<ReplayConfiguration> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigurationError([`${path}: ${reasonOf(error)}`])
  }
  const start = text.replace(/^\uFEFF/, '').trimStart()
  if (start.startsWith('{')) return readJson(path, start, text.length - start.length, text)
  if (start === '') throw new ConfigurationError([`${path}: the file is empty`])
  if (/^(#|ipvsadm\b|-)/.test(start) && !start.startsWith('---'))
    return await readIpvsadm(path, text)
  const yaml = YAML_START.test(start) ? ' YAML is not read here; write it as JSON.' : ''
  const wanted = 'expected JSON, starting with {, or lines that ipvsadm -S wrote'
  throw new ConfigurationError([`${path}: ${wanted}.${yaml}`])
}

function readJson(path: string, start: string, skipped: number, text: string): ReplayConfiguration {
  const fault = faultOf(text.slice(skipped))
  if (fault !== null) {
    const lines = text.slice(0, skipped).split('\n').length - 1
    throw new ConfigurationError([`${path}:${fault.line + lines}:${fault.column}: ${fault.detail}`])
  }
  const { configuration, faults } = readDocument(JSON.parse(start))
  if (configuration !== null) return configuration
  throw new ConfigurationError(faults.map(f => `${path}: ${textOf(f)}`))
}

/** A parsed document, or all that is wrong with it. */
export function readDocument(
  document: unknown,
):
  | { configuration: ReplayConfiguration; faults: [] }
  | { configuration: null; faults: readonly Fault[] } {
  const found = new Findings(faultsOf(ReplayDocument, document))
  if (!isObject(document)) return { configuration: null, faults: found.faults }
  const part = <T>(name: string): T | null => {
    const value = document[name]
    return isObject(value) ? (value as T) : null
  }
  const services = readServices(part<Record<string, unknown>>('virtualServices') ?? {}, found)
  const networkDocument = part<NetworkDocument>('network')
  const network = networkDocument === null ? null : readNetwork(networkDocument, found)
  const rules = part<Record<string, unknown>>('markRules') ?? {}
  const markRules = readMarkRules(rules, network, found)
  const given = Object.hasOwn(document, 'settings') ? document.settings : {}
  const read = collect('/settings', found, () => readSettings(given))
  if (found.any || read === null) return { configuration: null, faults: found.faults }
  const { timeouts, ...settings } = read
  const { tcpSeconds: tcpS, tcpFinSeconds: tcpFinS, udpSeconds: udpS } = timeouts
  const configuration = {
    ...{ services, markRules, settings, network },
    timeouts: { tcpS, tcpFinS, udpS },
  }
  return { configuration, faults: [] }
}

function textOf({ pointer, code, detail, hint }: Fault): string {
  const where = pointer === undefined || pointer === '' ? '(document)' : pointer
  return `${where}: ${detail}${hint === undefined ? '' : ` ${hint}`} [${code}]`
}
