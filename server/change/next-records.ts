/** From drafts to records: who keeps identity, revision and place, and what is a change at all. */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { ServiceDraft } from '../documents/documents.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { ServerConfig } from '../schemas/real-server.js'
import { endpointOf, keyOf } from '../documents/service-key.js'

/** Identity of a change: the revision it makes and when. */
export interface Stamp {
  revision: number
  now: string
}

export interface PlacesWanted {
  /** Of a service that the dataplane is to get as a new one. */
  service: number
  /** Of a real server by name; undefined: where it is, or behind all others. */
  server?: (name: string) => number | undefined
}

/** The record after a write; `before` itself when the write changes nothing. */
export function nextService(
  name: string,
  before: ServiceRecord | null,
  draft: ServiceDraft,
  stamp: Stamp,
  places: PlacesWanted,
): ServiceRecord {
  const servers = nextServers(before?.servers ?? [], draft.servers, stamp, places.server)
  if (before !== null && servers === before.servers) {
    if (isDeepStrictEqual(before.config, draft.config)) return before
  }
  const { family, config } = draft
  const keeps = before !== null && isDeepStrictEqual(keyOf(before), keyOf(draft))
  const position = keeps ? before.position : places.service
  return { name, meta: nextMeta(before, stamp), position, family, config, servers }
}

/** As `nextService`, for a change of its real servers only. */
export function withServers(
  before: ServiceRecord,
  drafts: ReadonlyMap<string, ServerConfig>,
  stamp: Stamp,
): ServiceRecord {
  const servers = nextServers(before.servers, drafts, stamp)
  // Its document holds the real servers, so it has changed with them.
  if (servers === before.servers) return before
  return { ...before, meta: nextMeta(before, stamp), servers }
}

/** The set in order of position; `before` itself when nothing changes. */
function nextServers(
  before: ServerRecord[],
  drafts: ReadonlyMap<string, ServerConfig>,
  stamp: Stamp,
  placeOf: NonNullable<PlacesWanted['server']> = () => undefined,
): ServerRecord[] {
  const old = new Map(before.map(server => [server.name, server]))
  const held = new Map(before.map(server => [endpointOf(server.config), server]))
  let position = Math.max(0, ...before.slice(-1).map(server => server.position))
  let changed = before.length !== drafts.size
  const after = [...drafts].map(([name, config]) => {
    const was = old.get(name)
    const place = placeOf(name)
    if (was !== undefined && isDeepStrictEqual(was.config, config)) {
      if (place === undefined || place === was.position) return was
      changed = true
      return { ...was, position: place }
    }
    changed = true
    // Whoever has this endpoint in the dataplane keeps its place there, whatever it is called now.
    const there = held.get(endpointOf(config))
    const keeps = there !== undefined && there.config.adminState !== 'disabled'
    return nextServer(name, was, config, place ?? (keeps ? there.position : ++position), stamp)
  })
  if (!changed) return before
  return apart(after.sort((a, b) => a.position - b.position))
}

/** No two in one place: what comes back may find its own taken. */
function apart(servers: ServerRecord[]): ServerRecord[] {
  let last = 0
  return servers.map(server => {
    last = Math.max(last + 1, server.position)
    return last === server.position ? server : { ...server, position: last }
  })
}

function nextServer(
  name: string,
  was: ServerRecord | undefined,
  config: ServerConfig,
  position: number,
  stamp: Stamp,
): ServerRecord {
  const same = was !== undefined && availability(was.config) === availability(config)
  return {
    name,
    meta: nextMeta(was ?? null, stamp),
    position,
    stateSince: same ? was.stateSince : stamp.now,
    // An operator who decides on its state anew has decided on its drain too.
    ...(was?.drain !== undefined && was.config.adminState === config.adminState
      ? { drain: was.drain }
      : {}),
    config,
  }
}

const availability = ({ adminState, weight }: ServerConfig): string =>
  `${adminState} ${weight === 0}`

export function nextMeta(before: { meta: ServiceRecord['meta'] } | null, { revision, now }: Stamp) {
  return {
    uid: before?.meta.uid ?? newUid(),
    revision,
    createdAt: before?.meta.createdAt ?? now,
    updatedAt: now,
  }
}

const UID_LENGTH = 36
const uidText = Buffer.alloc(UID_LENGTH)

/** Node puts a UUID together from twenty pieces, all of which a kept one would keep: 400 octets. */
function newUid(): string {
  uidText.write(randomUUID(), 'latin1')
  return uidText.toString('latin1')
}
