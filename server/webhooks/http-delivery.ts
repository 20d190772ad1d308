/**
 * By HTTP: POST, signed when there is a secret. Redirects are not followed; answers are not read, but
 * for `Retry-After`. The certificate of an https receiver is always verified.
 */
import { createHmac } from 'node:crypto'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isCertificateCode, refusalOf } from '../health/probes/certificate.js'
import { secureContextOf } from '../health/probes/secure-context.js'
import { retryAfterMs } from './retry-after.js'
import type { Attempt, Deliver, Parcel } from './delivery.js'

/** Read and thrown away, so that a well-behaved receiver sees its answer taken. */
const ANSWER_OCTETS_MAX = 65_536

export const deliverByHttp: Deliver = (parcel, signal) =>
  new Promise(resolve => {
    const body = JSON.stringify(parcel.event)
    const url = new URL(parcel.spec.url!)
    const isSecure = url.protocol === 'https:'
    const request = (isSecure ? requestHttps : requestHttp)(url, {
      ...(isSecure ? { secureContext: secureContextOf(parcel.spec.ca ?? null) } : {}),
      ...{ method: 'POST', headers: headersOf(parcel, body) },
      // A connection of its own: events are rare, and a kept one is dead when it is wanted.
      ...{ agent: false, signal },
    })
    let answered: Attempt | null = null
    const settle = (attempt: Attempt) => {
      clearTimeout(timer)
      request.destroy()
      resolve(answered ?? attempt)
    }
    const { timeoutSeconds } = parcel.spec
    const timer = setTimeout(
      () => settle(failure(`No answer within ${timeoutSeconds} s.`)),
      timeoutSeconds * 1000,
    )
    request.on('error', error => settle(failure(reasonOf(error, url.hostname))))
    request.on('response', response => {
      answered = judge(response, parcel.timestampS * 1000)
      let octets = 0
      response.on('data', (chunk: Buffer) => {
        octets += chunk.length
        if (octets > ANSWER_OCTETS_MAX) settle(answered!)
      })
      response.on('close', () => settle(answered!))
    })
    request.end(body)
  })

function headersOf({ id, event, secret, timestampS }: Parcel, body: string) {
  const signature = () => createHmac('sha256', secret!).update(`${timestampS}.${body}`)
  return {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'sluice',
    'sluice-event': event.type,
    'sluice-delivery': id,
    'sluice-timestamp': String(timestampS),
    ...(secret === null ? {} : { 'sluice-signature': `v1=${signature().digest('hex')}` }),
  }
}

function judge({ statusCode = 0, headers }: IncomingMessage, nowMs: number): Attempt {
  if (statusCode >= 200 && statusCode <= 299)
    return { delivered: true, detail: `Answered ${statusCode}.` }
  const isRedirect = statusCode >= 300 && statusCode <= 399
  const waitMs = retryAfterMs(headers['retry-after'], nowMs)
  const asked = waitMs === null ? '' : `; asked to be left alone for ${Math.ceil(waitMs / 1000)} s`
  return {
    delivered: false,
    detail: `Answered ${statusCode}${isRedirect ? '; redirects are not followed' : ''}${asked}.`,
    ...(waitMs === null ? {} : { retryAfterMs: waitMs }),
  }
}

const failure = (detail: string): Attempt => ({ delivered: false, detail })

/** Of an AggregateError (several addresses tried) the first; a message never holds the URL's path. */
function reasonOf(error: Error, host: string): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  const { code = '' } = first as NodeJS.ErrnoException
  if (isCertificateCode(code)) return refusalOf(host, code)
  return `${first instanceof Error && first.message !== '' ? first.message : error.name}.`
}
