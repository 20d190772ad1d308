/** From a health check as a client wrote it to one that is complete and normalised, or its faults. */
import { problemOf } from '../errors.js'
import { faultOfCertificates } from '../documents/certificates.js'
import { checkName, Fields, sortedLabels } from '../documents/fields.js'
import { Findings } from '../documents/findings.js'
import { notUsable, parseAddress } from '../ip-address.js'
import { FIELDS_OF, NEEDED, type CheckField } from '../schemas/health-check-fields.js'
import type { CheckFields, MatchFields, PayloadFields } from '../schemas/health-check-fields.js'
import { HealthCheckConfig, type HealthCheckFields } from '../schemas/health-check.js'
import { faultsOf, isObject, quote } from '../schemas/walk.js'
import { statusRange } from './check-specs.js'
import { isQueryName, isQueryType, RCODES } from './dns-question.js'
import { faultOfPattern, PATTERN_OCTETS_MAX } from './pattern.js'

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
/** What the probe says itself. */
const OWN_HEADERS = ['host', 'connection', 'content-length', 'transfer-encoding']
/** Beside the fields of its kind. */
const ASIDE = ['kind', 'labels', 'name', 'meta', 'status']

/** Throws a Problem with every fault. */
export function readHealthCheck(name: string, body: unknown): HealthCheckFields {
  const found = new Findings(faultsOf(HealthCheckConfig, body))
  if (!isObject(body)) throw problemOf(found.faults)
  const fields = new Fields(body, '', found)
  checkName(fields, name)
  const check = checkOf(fields)
  if (found.any || check === null) throw problemOf(found.faults)
  return { ...check, labels: sortedLabels(fields.get('labels')) }
}

/** A check whose schema has been looked at; null when even its kind is faulty. */
export function checkOf(fields: Fields): CheckFields | null {
  const kind = fields.get<CheckFields['kind']>('kind')
  if (kind === undefined) return null
  const table = FIELDS_OF[kind]
  for (const name of Object.keys(fields.body)) {
    if (Object.hasOwn(table, name) || ASIDE.includes(name) || fields.isFaulty(name)) continue
    const others = Object.values(FIELDS_OF).some(known => Object.hasOwn(known, name))
    const hint = `It has ${Object.keys(table).join(', ')}.`
    if (others) fields.fault(name, 'CONFLICTING_FIELDS', `A ${kind} check has no '${name}'.`, hint)
  }
  const needed = NEEDED[kind]
  if (needed !== undefined && !fields.has(needed))
    fields.fault(needed, 'MISSING_FIELD', `A ${kind} check needs '${needed}'.`)
  const entries = Object.entries(table).flatMap(([name, fallback]): [string, unknown][] => {
    const value = valueOf(fields, name as CheckField) ?? fallback
    return value === null ? [] : [[name, value]]
  })
  const check = { kind, ...Object.fromEntries(entries) } as unknown as CheckFields
  checkTogether(fields, check)
  return check
}

function valueOf(fields: Fields, name: CheckField): unknown {
  if (fields.isFaulty(name)) return undefined
  switch (name) {
    case 'sourceAddress':
    case 'targetAddress':
      return addressOf(fields, name)
    case 'match':
    case 'send':
      return oneOf(fields, name)
    case 'headers':
      return headersOf(fields)
    case 'ca':
      return certificatesOf(fields)
    case 'statuses':
      return statusesOf(fields)
    case 'queryName':
    case 'queryType':
    case 'expectedRcode':
      return questionPartOf(fields, name)
    default:
      return fields.get(name)
  }
}

export function addressOf(fields: Fields, name: string): string | undefined {
  const text = fields.get<string>(name)
  if (text === undefined) return undefined
  const address = parseAddress(text)
  const wrong = address === null ? 'it is neither IPv4 nor IPv6' : notUsable(address)
  if (wrong === null) return address!.text
  fields.fault(name, 'INVALID_ADDRESS', `${quote(text)} cannot be used: ${wrong}.`)
  return undefined
}

function certificatesOf(fields: Fields): string | undefined {
  const text = fields.get<string>('ca')
  const wrong = text === undefined ? null : faultOfCertificates(text)
  if (wrong === null) return text
  fields.fault('ca', 'INVALID_VALUE', wrong)
  return undefined
}

/** `match` and `send` have exactly one member. */
function oneOf(fields: Fields, name: 'match' | 'send'): MatchFields | PayloadFields | undefined {
  const given = fields.get<MatchFields>(name)
  if (given === undefined) return undefined
  const kinds = Object.keys(given)
  if (kinds.length !== 1) {
    const known = name === 'match' ? "'text', 'pattern' or 'hex'" : "'text' or 'hex'"
    fields.fault(name, 'CONFLICTING_FIELDS', `It has exactly one of ${known}.`)
    return undefined
  }
  const inner = fields.inner(name)!
  const wrong = given.pattern === undefined ? null : faultOfPattern(given.pattern)
  if (wrong !== null) inner.fault('pattern', 'INVALID_PATTERN', `It cannot be used: ${wrong}.`)
  if (name === 'match' && Object.values(given).includes(''))
    inner.fault(kinds[0]!, 'INVALID_VALUE', 'Every answer contains an empty text.')
  return given.hex === undefined ? given : { hex: given.hex.toLowerCase() }
}

function headersOf(fields: Fields): Record<string, string> | undefined {
  const given = fields.get<Record<string, string>>('headers')
  const inner = fields.inner('headers')
  for (const name of Object.keys(given ?? {})) {
    if (!TOKEN.test(name))
      inner!.fault(name, 'INVALID_VALUE', `${quote(name)} is not the name of a header.`)
    else if (OWN_HEADERS.includes(name.toLowerCase())) {
      const hint = name.toLowerCase() === 'host' ? "Use the field 'host'." : undefined
      inner!.fault(name, 'INVALID_VALUE', `The check says '${name}' itself.`, hint)
    }
  }
  return given
}

function statusesOf(fields: Fields): string[] | undefined {
  const texts = fields.get<string[]>('statuses')
  if (texts === undefined) return undefined
  if (texts.length === 0) fields.fault('statuses', 'INVALID_VALUE', 'No answer would be good.')
  const wrong = texts.find(text => statusRange(text) === null)
  if (wrong === undefined) return [...new Set(texts)]
  const detail = `${quote(wrong)} is neither a status nor a range of them, 100 to 599.`
  fields.fault('statuses', 'INVALID_VALUE', detail, 'For instance "200" or "200-299".')
  return undefined
}

const QUESTION_PARTS = {
  queryName: { isRight: isQueryName, what: 'a name with labels of 1 to 63 ASCII characters' },
  queryType: { isRight: isQueryType, what: 'a type of records that is known here' },
  expectedRcode: {
    isRight: (code: string) => RCODES.includes(code),
    what: `one of ${RCODES.join(', ')}`,
  },
}

/** What nobody could answer rightly would only ever be down. */
function questionPartOf(fields: Fields, name: keyof typeof QUESTION_PARTS): string | undefined {
  const text = fields.get<string>(name)
  const { isRight, what } = QUESTION_PARTS[name]
  if (text === undefined || isRight(text)) return text
  fields.fault(name, 'INVALID_VALUE', `${quote(text)} is not ${what}.`)
  return undefined
}

function checkTogether(fields: Fields, check: CheckFields): void {
  const { via, targetAddress, match, replyRequired } = check
  if (via === 'service' && check.sourceAddress !== undefined) {
    const detail = "With 'via' service probes come from the probe network."
    fields.fault('sourceAddress', 'CONFLICTING_FIELDS', detail)
  }
  if (via === 'service' && targetAddress !== undefined) {
    const detail = "With 'via' service the target is the virtual address."
    fields.fault('targetAddress', 'CONFLICTING_FIELDS', detail)
  }
  if (via === 'service' && check.targetPort !== undefined) {
    const detail = "With 'via' service the port is the virtual one."
    fields.fault('targetPort', 'CONFLICTING_FIELDS', detail)
  }
  if (check.method === 'HEAD' && match !== undefined)
    fields.fault('match', 'CONFLICTING_FIELDS', 'The answer to HEAD has no body to look in.')
  if (match?.pattern !== undefined && (check.maxBodyBytes ?? 0) > PATTERN_OCTETS_MAX) {
    const detail = `A pattern is looked for in the first ${PATTERN_OCTETS_MAX} octets only.`
    fields.fault('maxBodyBytes', 'CONFLICTING_FIELDS', detail, "Look for a 'text' instead.")
  }
  if (check.kind === 'udp' && match !== undefined && replyRequired === false) {
    const detail = "With 'match' a reply is always required."
    fields.fault('replyRequired', 'CONFLICTING_FIELDS', detail)
  }
}
