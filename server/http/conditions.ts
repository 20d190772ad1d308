/** Conditional requests, RFC 9110 section 13. */
import { createHash } from 'node:crypto'
import { Problem } from '../errors.js'
import type { ServiceRecord } from '../repo/records.js'
import { etagOf } from '../documents/views.js'

export interface Conditions {
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
}

/** Who did the last of these to a thing, as the journal knows it: kind, name, types of entries. */
export type Author = (kind: string, name: string, ...types: readonly string[]) => string

type Identified = Pick<ServiceRecord, 'name' | 'meta'>

/** Throws PRECONDITION_FAILED when a write must not happen; `current` null = not there. */
export function checkConditions(
  { ifMatch, ifNoneMatch }: Conditions,
  current: Identified | null,
  tell: (revision: number) => string | null = () => null,
): void {
  if (ifMatch !== undefined && !matches(ifMatch, current, true)) {
    const detail =
      current === null
        ? 'If-Match: there is no such resource.'
        : `If-Match: '${current.name}' was changed at ${current.meta.updatedAt} by ` +
          `${tell(current.meta.revision) ?? `revision ${current.meta.revision}`}; ` +
          `its ETag is ${etagOf(current)}.`
    throw new Problem('PRECONDITION_FAILED', detail, headersOf(current))
  }
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, current, false)) {
    const detail = `If-None-Match: '${current!.name}' exists, made at ${current!.meta.createdAt}.`
    throw new Problem('PRECONDITION_FAILED', detail, headersOf(current))
  }
}

/** The same for what has a tag and nothing else; `told` says what it is now. */
export function checkTag(
  { ifMatch, ifNoneMatch }: Conditions,
  tag: string,
  told: () => string,
): void {
  const extras = { headers: { etag: tag } }
  if (ifMatch !== undefined && !hasTag(ifMatch, tag, true))
    throw new Problem('PRECONDITION_FAILED', `If-Match: ${told()}; its ETag is ${tag}.`, extras)
  if (ifNoneMatch !== undefined && hasTag(ifNoneMatch, tag, false))
    throw new Problem('PRECONDITION_FAILED', `If-None-Match: it exists, as ${tag}.`, extras)
}

/** A strong tag over what a document says, for what has no revision. */
export const tagOver = (parts: readonly unknown[]): string =>
  `"${createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 16)}"`

/** Whether a client that sent If-None-Match with a GET has what it would get. */
export const isFresh = (ifNoneMatch: string | undefined, tag: string): boolean =>
  ifNoneMatch !== undefined && hasTag(ifNoneMatch, tag, false)

const headersOf = (current: Identified | null) =>
  current === null ? {} : { headers: { etag: etagOf(current) } }

/** If-Match compares strongly, so a weak tag never matches; If-None-Match weakly. */
const matches = (header: string, current: Identified | null, strong: boolean): boolean =>
  current !== null && hasTag(header, etagOf(current), strong)

function hasTag(header: string, wanted: string, strong: boolean): boolean {
  if (header.trim() === '*') return true
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some(tag => tag === wanted || (!strong && tag === `W/${wanted}`))
}
