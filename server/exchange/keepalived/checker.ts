/** The blocks that say how keepalived checks a real server. */
import { parseAddress } from '../../ip-address.js'
import type { CheckFields, CheckKind } from '../../schemas/health-check-fields.js'
import { mark } from '../report.js'
import { millisecondsOf, readTiming, type Timing } from './check-timing.js'
import { ignore } from './ignored.js'
import type { Node } from './tree.js'
import { numberOf } from './values.js'

export interface Checker {
  node: Node
  kind: CheckKind
  timing: Timing
  fields: Partial<CheckFields>
  /** Each makes a check of its own. */
  urls: Partial<CheckFields>[]
  /** SSL_GET with enable_sni: the name is that of the host. */
  sni: Node | null
}

const KINDS: Readonly<Record<string, CheckKind>> = {
  ...{ TCP_CHECK: 'tcp', HTTP_GET: 'http', SSL_GET: 'https', SMTP_CHECK: 'smtp' },
  ...{ DNS_CHECK: 'dns', UDP_CHECK: 'udp', PING_CHECK: 'icmp', MISC_CHECK: 'command' },
}
/** What is not as for a check that says nothing, or is written back in any case. */
const DEFAULTS: Readonly<Partial<Record<CheckKind, Partial<CheckFields>>>> = {
  udp: { replyRequired: false },
  smtp: { hello: 'localhost', verb: 'HELO' },
  dns: { queryName: '.', queryType: 'SOA' },
}
export const CHECKERS: readonly string[] = Object.keys(KINDS)

type Reader = (node: Node, checker: Checker) => string | null

/** Each answers what is wrong, or null. */
const READERS: Readonly<Record<string, Reader>> = {
  connect_ip: readAddress('targetAddress'),
  bindto: readAddress('sourceAddress'),
  connect_port({ args }, { fields }) {
    const port = numberOf(args[0], 1, 65535)
    if (port === null) return `'${args[0] ?? ''}' is not a port.`
    fields.targetPort = port
    return null
  },
}
const OF_KIND: Readonly<Partial<Record<CheckKind, Readonly<Record<string, Reader>>>>> = {
  http: { url: readUrl },
  https: { url: readUrl, enable_sni: (node, checker) => ((checker.sni = node), null) },
  smtp: { helo_name: readWord('hello', /^[\x21-\x7e]{1,253}$/) },
  dns: {
    type: readWord('queryType', /^[A-Z0-9]{1,16}$/),
    name: readWord('queryName', /^\S{1,253}$/),
  },
  udp: { payload: readPayload, require_reply: readReply },
  command: { misc_path: readProgram, misc_timeout: readTimeout },
}

const IGNORED: Readonly<Record<string, string>> = {
  warmup: 'First runs are spread anyway.',
  log_all_failures: 'Runs and their errors are in /v1/health and the log.',
  http_protocol: 'Requests are HTTP/1.1.',
  fast_recovery: 'Each URL is a check of its own; none waits for another.',
  misc_dynamic: 'An exit status changes no weight.',
  user: 'Commands run as Sluice does.',
  min_reply_length: 'The length of a reply is not looked at.',
  max_reply_length: 'The length of a reply is not looked at.',
  ...Object.fromEntries(
    ['bind_if', 'bind_port', 'fwmark'].map(word => [word, 'Probes go by route and address only.']),
  ),
}
const NO_PATH =
  'Commands are files of the folder of --check-commands, run by name; put it there and leave its path out.'
const STATUS = /^[1-5]\d\d(?:-[1-5]\d\d)?$/
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

/** Null when it is no check here; then the report says why. */
export function readChecker(node: Node): Checker | null {
  const kind = KINDS[node.keyword]!
  const fields = { ...DEFAULTS[kind] }
  const checker: Checker = { node, kind, timing: {}, fields, urls: [], sni: null }
  for (const child of node.children ?? []) readStatement(child, checker)
  const isHttp = kind === 'http' || kind === 'https'
  if (isHttp && checker.urls.length === 0) {
    ignore(node, 'It has no url.')
    return null
  }
  if (kind !== 'command' || checker.fields.program !== undefined) return checker
  const reason = node.children?.find(({ keyword }) => keyword === 'misc_path')?.entry.reason
  ignore(node, reason ?? 'It has no misc_path.')
  return null
}

function readStatement(node: Node, checker: Checker): void {
  const { keyword, entry } = node
  const own = OF_KIND[checker.kind] ?? {}
  const reader = Object.hasOwn(own, keyword)
    ? own[keyword]
    : Object.hasOwn(READERS, keyword)
      ? READERS[keyword]
      : undefined
  if (reader === undefined) {
    if (readTiming(node, checker.timing)) return
    const reason = Object.hasOwn(IGNORED, keyword) ? IGNORED[keyword] : undefined
    ignore(node, reason ?? `'${keyword.slice(0, 60)}' says nothing that a check here has.`)
    return
  }
  const wrong = reader(node, checker)
  if (wrong !== null) mark(entry, 'ignored', wrong)
}

function readAddress(name: 'targetAddress' | 'sourceAddress'): Reader {
  return ({ args }, { fields }) => {
    const address = parseAddress(args[0] ?? '')
    if (address === null) return `'${args[0] ?? ''}' is neither an IPv4 nor an IPv6 address.`
    fields[name] = address.text
    return null
  }
}

function readWord(name: 'hello' | 'queryType' | 'queryName', pattern: RegExp): Reader {
  return ({ args: [word = ''] }, { fields }) => {
    if (!pattern.test(word)) return `'${word}' cannot be used.`
    fields[name] = word
    return null
  }
}

function readUrl(node: Node, checker: Checker): string | null {
  const url: Partial<CheckFields> = { path: '/', statuses: ['200-299'] }
  for (const child of node.children ?? []) {
    const wrong = urlStatement(child, url)
    if (wrong !== null) mark(child.entry, 'ignored', wrong)
  }
  checker.urls.push(url)
  return null
}

function urlStatement({ keyword, args }: Node, url: Partial<CheckFields>): string | null {
  const [word = ''] = args
  if (keyword === 'path') {
    if (!/^\/[\x21-\x7e]{0,2047}$/.test(word)) return 'It is no path of a URL.'
    url.path = word
  } else if (keyword === 'status_code') {
    const wrong = args.find(text => !STATUS.test(text))
    if (wrong !== undefined || args.length === 0)
      return `'${wrong ?? ''}' is neither a status nor a range of them, 100 to 599.`
    url.statuses = [...new Set(args)].slice(0, 32)
  } else if (keyword === 'virtualhost') {
    if (!/^[\x21-\x7e]{1,259}$/.test(word)) return 'It is the name of a host.'
    url.host = word
  } else if (keyword === 'digest') return 'Bodies are not hashed; its status is looked at.'
  else return `'${keyword.slice(0, 60)}' is not taken; use 'match' of the check.`
  return null
}

function readPayload({ args }: Node, { fields }: Checker): string | null {
  const hex = hexOf(args)
  if (hex === null) return 'These are not pairs of hexadecimal digits.'
  fields.send = { hex }
  return null
}

function readReply({ args, entry }: Node, { fields }: Checker): string | null {
  fields.replyRequired = true
  const hex = hexOf(args)
  if (hex === null) return 'That there is a reply is taken, but not what it is.'
  if (hex === '') return null
  fields.match = { hex }
  mark(entry, 'changed', 'The reply has to contain it, wherever.')
  return null
}

/** Null for wildcards and odd groups, which keepalived has. */
function hexOf(args: readonly string[]): string | null {
  const isWhole = args.every(word => /^(?:[\da-f]{2})+$/i.test(word))
  const hex = args.join('').toLowerCase()
  return isWhole && hex.length <= 2048 ? hex : null
}

function readProgram({ args }: Node, { fields }: Checker): string | null {
  const [program = '', ...rest] = args.join(' ').split(/\s+/)
  if (!FILE_NAME.test(program)) return NO_PATH
  if (rest.length > 32) return 'A command has at most 32 arguments.'
  Object.assign(fields, { program, ...(rest.length === 0 ? {} : { arguments: rest }) })
  return null
}

function readTimeout({ args }: Node, { timing }: Checker): string | null {
  const ms = millisecondsOf(args[0])
  if (ms === null || ms < 1000) return `'${args[0] ?? ''}' is not a number of seconds.`
  timing.timeoutMs = Math.min(ms, 86_400_000)
  return null
}
