/** Conditional requests, RFC 9110 section 13. */
import type { Origin } from './commit.js'
import { Problem } from './errors.js'
import type { ServiceRecord } from './repo/records.js'
import { etagOf } from './views.js'

export interface Conditions {
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
}

/** A write: on which conditions, and who asks. */
export interface Intent extends Conditions {
  origin: Origin
}

type Identified = Pick<ServiceRecord, 'name' | 'meta'>

/** Throws PRECONDITION_FAILED when a write must not happen; `current` null = not there. */
export function checkConditions(
  { ifMatch, ifNoneMatch }: Conditions,
  current: Identified | null,
): void {
  if (ifMatch !== undefined && !matches(ifMatch, current, true)) {
    const detail =
      current === null
        ? 'If-Match: there is no such resource.'
        : `If-Match: '${current.name}' was changed at ${current.meta.updatedAt} by revision ` +
          `${current.meta.revision}; its ETag is ${etagOf(current)}.`
    throw new Problem('PRECONDITION_FAILED', detail, headersOf(current))
  }
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, current, false)) {
    const detail = `If-None-Match: '${current!.name}' exists, made at ${current!.meta.createdAt}.`
    throw new Problem('PRECONDITION_FAILED', detail, headersOf(current))
  }
}

/** Whether a client that sent If-None-Match with a GET has what it would get. */
export const isUnchanged = (ifNoneMatch: string | undefined, current: Identified): boolean =>
  ifNoneMatch !== undefined && matches(ifNoneMatch, current, false)

const headersOf = (current: Identified | null) =>
  current === null ? {} : { headers: { etag: etagOf(current) } }

/** If-Match compares strongly, so a weak tag never matches; If-None-Match weakly. */
function matches(header: string, current: Identified | null, strong: boolean): boolean {
  if (current === null) return false
  if (header.trim() === '*') return true
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? []
  const wanted = etagOf(current)
  return tags.some(tag => tag === wanted || (!strong && tag === `W/${wanted}`))
}
