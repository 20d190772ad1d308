/** What a health check may say, which fields belong to which kind, and what each is by default. */
import { Type } from 'typebox'
import { Address } from './common.js'
import { component, Dictionary, StringEnum } from './components.js'

export const CHECK_KINDS = [
  ...(['tcp', 'tls', 'http', 'https', 'udp', 'dns'] as const),
  ...(['icmp', 'smtp', 'sctp', 'command', 'file', 'external'] as const),
] as const
export type CheckKind = (typeof CHECK_KINDS)[number]
const INITIAL_STATES = ['up', 'down', 'lastKnown'] as const
export type InitialState = (typeof INITIAL_STATES)[number]
/** One path segment: it can leave no folder. */
const FILE_NAME_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$'
const HEX_PATTERN = '^(?:[0-9A-Fa-f]{2}){0,1024}$'
/** A name as TLS sends it, or an address that is only compared with the certificate. */
const HOST_NAME_PATTERN = '^[A-Za-z0-9_.:-]+$'
export const HOST_PATTERN = '^[\\x21-\\x7e]+$'
const DAY_MS = 86_400_000

/** Exactly one member. */
export interface MatchFields {
  text?: string
  pattern?: string
  hex?: string
}
export interface PayloadFields {
  text?: string
  hex?: string
}

/** A check's own configuration, complete for its kind and normalised: what is stored and compared. */
export interface CheckFields {
  kind: CheckKind
  intervalMilliseconds?: number
  timeoutMilliseconds?: number
  retryDelayMilliseconds?: number
  jitterMilliseconds?: number
  rise?: number
  fall?: number
  initialState: InitialState
  sourceAddress?: string
  targetAddress?: string
  targetPort?: number
  via?: 'direct' | 'service'
  serverName?: string
  verify?: boolean
  ca?: string
  certificateWarningDays?: number
  method?: string
  host?: string
  path?: string
  headers?: Record<string, string>
  statuses?: string[]
  match?: MatchFields
  maxBodyBytes?: number
  send?: PayloadFields
  replyRequired?: boolean
  transport?: 'udp' | 'tcp'
  queryName?: string
  queryType?: string
  expectedRcode?: string
  expectedAnswers?: string[]
  payloadBytes?: number
  hello?: string
  verb?: 'HELO' | 'EHLO'
  program?: string
  arguments?: string[]
  file?: string
  expect?: 'exists' | 'contents'
  maxAgeSeconds?: number
  expirySeconds?: number
}
export type CheckField = Exclude<keyof CheckFields, 'kind'>
/** Each field with its default; null: none, it is left out or has to be given. */
export type KindTable = Partial<Record<CheckField, unknown>>

const START = { initialState: 'lastKnown' }
const SCHEDULE = {
  ...{ intervalMilliseconds: 5000, timeoutMilliseconds: 2000, retryDelayMilliseconds: null },
  ...{ jitterMilliseconds: 0, rise: 2, fall: 3, ...START },
}
const TARGET = { sourceAddress: null, targetAddress: null, targetPort: null }
const STREAM = { ...SCHEDULE, ...TARGET, via: 'direct' }
const TLS = { serverName: null, verify: false, ca: null, certificateWarningDays: 14 }
const HTTP = {
  ...{ method: 'GET', host: null, path: '/', headers: {}, statuses: ['200-299'], match: null },
  maxBodyBytes: 65_536,
}

/** Fields of each kind in the order in which they are shown. */
export const FIELDS_OF: Readonly<Record<CheckKind, KindTable>> = {
  tcp: STREAM,
  tls: { ...STREAM, ...TLS },
  http: { ...STREAM, ...HTTP },
  https: { ...STREAM, ...HTTP, ...TLS },
  udp: { ...STREAM, send: null, match: null, replyRequired: true },
  dns: {
    ...{ ...STREAM, transport: 'udp', queryName: '.', queryType: 'SOA' },
    ...{ expectedRcode: 'NOERROR', expectedAnswers: [] },
  },
  icmp: { ...SCHEDULE, sourceAddress: null, targetAddress: null, payloadBytes: 56 },
  smtp: { ...STREAM, hello: 'localhost', verb: 'EHLO' },
  sctp: STREAM,
  command: { ...SCHEDULE, targetAddress: null, targetPort: null, program: null, arguments: [] },
  file: { ...SCHEDULE, file: null, expect: 'exists', maxAgeSeconds: null },
  external: { ...START, expirySeconds: null },
}
/** Without these a check of that kind means nothing. */
export const NEEDED: Partial<Record<CheckKind, CheckField>> = { command: 'program', file: 'file' }

const of = (kinds: string, text: string) => `${kinds}: ${text}`
const milliseconds = (least: number, text: string, rest: object = {}) =>
  Type.Optional(Type.Integer({ minimum: least, maximum: DAY_MS, description: text, ...rest }))
const count = (fallback: number, text: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: fallback, description: text }))
export const words = (max: number, text: string, rest: object = {}) =>
  Type.Optional(Type.String({ maxLength: max, description: text, ...rest }))

const schedule = {
  intervalMilliseconds: milliseconds(100, 'From the start of one run to that of the next.', {
    default: 5000,
  }),
  timeoutMilliseconds: milliseconds(10, 'For a whole run, its last octet included.', {
    default: 2000,
  }),
  retryDelayMilliseconds: milliseconds(
    10,
    'Instead of the interval after a failed run, while the check is still up.',
  ),
  jitterMilliseconds: milliseconds(0, 'Up to so much is added to each interval at random.', {
    default: 0,
  }),
  rise: count(2, 'Successes in a row that make what is down up.'),
  fall: count(3, 'Failures in a row that make what is up down.'),
  initialState: Type.Optional(
    StringEnum(INITIAL_STATES, {
      default: 'lastKnown',
      description:
        'What it counts as before its first result. lastKnown: as when Sluice stopped; a check ' +
        'that is new is in no state until then, and its server is used.',
    }),
  ),
}
const target = {
  sourceAddress: Type.Optional(Address('Where probes come from; by route when absent.')),
  targetAddress: Type.Optional(
    Address(
      'Instead of the real server’s own address; needs the scope `admin`. Loopback and ' +
        'link-local addresses must be in the setting `healthCheckTargets`.',
    ),
  ),
  targetPort: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 65535, description: 'Instead of the real server’s own.' }),
  ),
  via: Type.Optional(
    StringEnum(['direct', 'service'], {
      default: 'direct',
      description:
        'service: the probe goes to the virtual address and through the dataplane to this real ' +
        'server, by whatever forwarding it has. sctp: only of a service for SCTP.',
    }),
  ),
}
const tls = {
  serverName: words(
    253,
    of('tls, https', 'SNI, and who the certificate must be for; any name is taken when absent.'),
    { pattern: HOST_NAME_PATTERN },
  ),
  verify: Type.Optional(
    Type.Boolean({
      default: false,
      description: of('tls, https', 'chain, dates and name of the certificate must be right.'),
    }),
  ),
  ca: words(
    65_536,
    of('tls, https', 'certificates to trust, PEM; by default the well-known ones.'),
  ),
  certificateWarningDays: Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: 3650, default: 14 },
      description: of('tls, https', 'fewer days of validity are a warning; 0: never.'),
    }),
  ),
}

const Match = component(
  'HealthCheckMatch',
  Type.Object(
    {
      text: words(1024, 'This text.'),
      pattern: words(
        1024,
        'This regular expression: no back references, no look-around; never takes long.',
      ),
      hex: words(2048, 'These octets, two hexadecimal digits each.', { pattern: HEX_PATTERN }),
    },
    { additionalProperties: false, description: 'What an answer has to contain; one of these.' },
  ),
)
const Payload = component(
  'HealthCheckPayload',
  Type.Object(
    {
      text: words(1024, 'This text, in UTF-8.'),
      hex: words(2048, 'These octets, two hexadecimal digits each.', { pattern: HEX_PATTERN }),
    },
    { additionalProperties: false, description: 'What is sent; one of these.' },
  ),
)

const http = {
  method: words(16, of('http, https', 'of the request.'), {
    ...{ pattern: '^[A-Z]+$', default: 'GET' },
  }),
  host: words(259, of('http, https', 'the header Host; address and port when absent.'), {
    pattern: HOST_PATTERN,
  }),
  path: words(2048, of('http, https', 'with its query.'), {
    ...{ pattern: '^/[\\x21-\\x7e]*$', default: '/' },
  }),
  headers: Type.Optional(
    Dictionary(Type.String({ maxLength: 1024, pattern: '^[\\x20-\\x7e]*$' }), {
      ...{ maxProperties: 32, default: {} },
      description: of('http, https', 'further headers.'),
    }),
  ),
  statuses: Type.Optional(
    Type.Array(Type.String({ maxLength: 7 }), {
      ...{ maxItems: 32, default: ['200-299'] },
      description: of(
        'http, https',
        'good ones, each "200" or "200-299". No redirect is followed.',
      ),
    }),
  ),
  match: Type.Optional(Match),
  // ANSWER_OCTETS_MAX of health/pattern.ts.
  maxBodyBytes: Type.Optional(
    Type.Integer({
      ...{ minimum: 1, maximum: 262_144, default: 65_536 },
      description: of(
        'http, https',
        'so much of the body is read for `match`; 65536 at most for a pattern.',
      ),
    }),
  ),
}
const datagrams = {
  send: Type.Optional(Payload),
  replyRequired: Type.Optional(
    Type.Boolean({
      default: true,
      description: of('udp', 'false: silence is good too, only port unreachable is not.'),
    }),
  ),
}
const dns = {
  transport: Type.Optional(
    StringEnum(['udp', 'tcp'], { default: 'udp', description: of('dns', '') }),
  ),
  queryName: words(253, of('dns', 'the name that is asked for.'), { default: '.' }),
  queryType: words(16, of('dns', 'for instance A, AAAA, SOA.'), {
    ...{ pattern: '^[A-Z0-9]+$', default: 'SOA' },
  }),
  expectedRcode: words(16, of('dns', 'for instance NOERROR, NXDOMAIN.'), {
    ...{ pattern: '^[A-Z0-9]+$', default: 'NOERROR' },
  }),
  expectedAnswers: Type.Optional(
    Type.Array(Type.String({ maxLength: 255 }), {
      ...{ maxItems: 16, default: [] },
      description: of('dns', 'texts that must all be among the answers: addresses, names.'),
    }),
  ),
}
const others = {
  payloadBytes: Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: 1400, default: 56 },
      description: of('icmp', 'octets of the echo request behind its header.'),
    }),
  ),
  hello: words(253, of('smtp', 'who we say that we are.'), {
    ...{ pattern: '^[\\x21-\\x7e]+$', default: 'localhost' },
  }),
  verb: Type.Optional(
    StringEnum(['HELO', 'EHLO'], { default: 'EHLO', description: of('smtp', 'how we say it.') }),
  ),
  program: words(128, of('command', 'a file in the folder of --check-commands, without slashes.'), {
    pattern: FILE_NAME_PATTERN,
  }),
  arguments: Type.Optional(
    Type.Array(Type.String({ maxLength: 1024 }), {
      ...{ maxItems: 32, default: [] },
      description: of(
        'command',
        '{address}, {port}, {service} and {server} stand for the target’s. No shell reads them.',
      ),
    }),
  ),
  file: words(128, of('file', 'a file in the folder of --check-files, without slashes.'), {
    pattern: FILE_NAME_PATTERN,
  }),
  expect: Type.Optional(
    StringEnum(['exists', 'contents'], {
      ...{ default: 'exists' },
      description: of('file', 'exists: it is there; contents: its first word is `up`.'),
    }),
  ),
  maxAgeSeconds: Type.Optional(
    Type.Integer({
      ...{ minimum: 1, maximum: 31_536_000 },
      description: of('file', 'an older one is a failure; any age when absent.'),
    }),
  ),
  expirySeconds: Type.Optional(
    Type.Integer({
      ...{ minimum: 1, maximum: 31_536_000 },
      description: of('external', 'after so much silence it fails; never when absent.'),
    }),
  ),
}

export const checkFields = {
  ...{ ...schedule, ...target, ...http, ...tls, ...datagrams, ...dns, ...others },
}

export const checkExample = {
  ...{ kind: 'http', intervalMilliseconds: 2000, timeoutMilliseconds: 1000, rise: 2, fall: 3 },
  ...{ path: '/healthz', host: 'www.example.com', statuses: ['200-299'] },
}

/** A check that a virtual service or a real server has for itself. */
export const InlineCheck = component(
  'InlineHealthCheck',
  Type.Object(
    { kind: StringEnum(CHECK_KINDS), ...checkFields },
    {
      ...{ additionalProperties: false, examples: [{ kind: 'tcp' }] },
      description: 'A health check of its own. Each kind has fields of its own.',
    },
  ),
)
