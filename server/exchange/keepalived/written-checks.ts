/** Health checks in the words of keepalived.conf, and what it has no words for. */
import { isDeepStrictEqual } from 'node:util'
import type { ServiceRecord, ServerRecord } from '../../repo/records.js'
import { FIELDS_OF } from '../../schemas/health-check-fields.js'
import type { CheckField, CheckFields, CheckKind } from '../../schemas/health-check-fields.js'
import type { Loss } from '../exported.js'

const WORDS: Readonly<Partial<Record<CheckKind, string>>> = {
  ...{ tcp: 'TCP_CHECK', http: 'HTTP_GET', https: 'SSL_GET', smtp: 'SMTP_CHECK' },
  ...{ dns: 'DNS_CHECK', udp: 'UDP_CHECK', icmp: 'PING_CHECK' },
}
/** What its checkers do whatever is configured; null: nothing of the kind. */
const FIXED: Readonly<Partial<Record<CheckField, unknown>>> = {
  ...{ jitterMilliseconds: 0, rise: 1, via: 'direct', verify: false, ca: null },
  ...{ method: 'GET', headers: {}, match: null, send: null, verb: 'HELO' },
  ...{ transport: 'udp', expectedRcode: 'NOERROR', expectedAnswers: [], payloadBytes: 56 },
}
/** In double quotes it means nothing but itself. */
const PLAIN = /^[\w./:?=&%+,;@*()|<>^\][-]+$/

/** Lines for a real server's block; what gets lost is told at the check. */
export function writtenChecks(
  service: ServiceRecord,
  server: Pick<ServerRecord, 'name' | 'config'>,
  losses: Loss[],
): string[] {
  const own = server.config.healthChecks
  const pointer = `/virtualServices/${service.name}`
  const isOwn = own?.inline !== undefined
  const from = isOwn ? own : service.config.healthChecks
  const at = isOwn
    ? `${pointer}/realServers/${server.name}/healthChecks`
    : `${pointer}/healthChecks`
  const lose = (field: string, reason: string) => addOnce(losses, `${at}${field}`, reason)
  const inline = Object.entries(from?.inline ?? {})
  const named = from?.named ?? []
  if (named.length > 0)
    lose('/named', 'Only checks that a service or server has for itself are written.')
  const required = own?.required ?? from?.required
  if (required !== undefined && required !== named.length + inline.length)
    lose('/required', 'All checks have to be up elsewhere.')
  return inline.flatMap(([name, check]) => {
    const { targetAddress, targetPort, host } = own ?? {}
    const entries = Object.entries({ targetAddress, targetPort, host }).filter(
      ([field, value]) => value !== undefined && Object.hasOwn(FIELDS_OF[check.kind], field),
    )
    const applied: CheckFields = { ...check, ...Object.fromEntries(entries) }
    return checkBlock(applied, (field, reason) => lose(`/inline/${name}${field}`, reason))
  })
}

type Lose = (field: string, reason: string) => void

function checkBlock(check: CheckFields, lose: Lose): string[] {
  const word = WORDS[check.kind]
  if (word === undefined) {
    lose('', `keepalived has no check of the kind ${check.kind} that this could be: left out.`)
    return []
  }
  const { path, host, hello, queryName, statuses = [] } = check
  const texts = Object.entries({ path, host, hello, queryName })
  const odd = texts.find(([, text]) => text !== undefined && !PLAIN.test(text))
  if (odd !== undefined) {
    lose(`/${odd[0]}`, 'Its characters may mean something else to keepalived: check left out.')
    return []
  }
  for (const name of Object.keys(FIXED) as CheckField[]) {
    if (check[name] === undefined || isDeepStrictEqual(check[name], FIXED[name])) continue
    lose(`/${name}`, 'keepalived has no word for it.')
  }
  if (check.initialState === 'up') lose('/initialState', 'It is up elsewhere until it fails.')
  const sni = host?.replace(/:\d+$/, '')
  if (check.serverName !== undefined && check.serverName !== sni)
    lose('/serverName', 'It is the name of the virtualhost elsewhere.')
  const lines = [
    ...commonLines(check),
    ...(check.kind === 'udp' && check.replyRequired === true ? ['require_reply'] : []),
    ...(hello === undefined ? [] : [`helo_name "${hello}"`]),
    ...(queryName === undefined ? [] : [`type ${check.queryType!}`, `name "${queryName}"`]),
    ...(check.serverName !== undefined && check.serverName === sni ? ['enable_sni'] : []),
    ...(path === undefined
      ? []
      : [
          'url {',
          `    path "${path}"`,
          `    status_code ${statuses.join(' ')}`,
          ...(host === undefined ? [] : [`    virtualhost "${host}"`]),
          '}',
        ]),
  ]
  return [`${word} {`, ...lines.map(line => `    ${line}`), '}']
}

function commonLines(check: CheckFields): string[] {
  const { intervalMilliseconds = 5000, timeoutMilliseconds = 2000, fall = 3 } = check
  const { targetAddress, targetPort, sourceAddress, initialState } = check
  return [
    ...(targetAddress === undefined ? [] : [`connect_ip ${targetAddress}`]),
    ...(targetPort === undefined ? [] : [`connect_port ${targetPort}`]),
    ...(sourceAddress === undefined ? [] : [`bindto ${sourceAddress}`]),
    `delay_loop ${intervalMilliseconds / 1000}`,
    `connect_timeout ${timeoutMilliseconds / 1000}`,
    `retry ${fall - 1}`,
    `delay_before_retry ${(check.retryDelayMilliseconds ?? intervalMilliseconds) / 1000}`,
    ...(initialState === 'down' ? ['alpha'] : []),
  ]
}

/** A check of a service stands in every one of its servers. */
function addOnce(losses: Loss[], pointer: string, reason: string): void {
  if (!losses.some(loss => loss.pointer === pointer)) losses.push({ pointer, reason })
}
