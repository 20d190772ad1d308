/** Mark rules in SQLite. */
import type { Statement } from 'better-sqlite3'
import type { FamilyName } from '../../dataplane/protocol.js'
import type { Database } from '../db.js'
import type { MarkRuleFields } from '../schemas/mark-rule.js'
import type { MarkRuleRecord } from './records.js'

interface Row {
  name: string
  uid: string
  revision: number
  created_at: string
  updated_at: string
  mark: number
  family: FamilyName
  protocol: string
  source: string | null
  destination: string | null
  source_ports: string | null
  destination_ports: string | null
  interface: string | null
  place: number
  labels: string
}

const COLUMNS =
  'name, uid, revision, created_at, updated_at, mark, family, protocol, source, destination, ' +
  'source_ports, destination_ports, interface, place, labels'
const VALUES = COLUMNS.replaceAll(/\w+/g, name => `@${name}`)
const ASSIGNMENTS = COLUMNS.replaceAll(/\w+/g, name => `${name} = @${name}`)

export class MarkRuleRepo {
  readonly #get: Statement<[string], Row>
  readonly #all: Statement<[], Row>
  readonly #insert: Statement<[Row]>
  readonly #update: Statement<[Row]>
  readonly #delete: Statement<[string]>

  constructor(database: Database) {
    this.#get = database.prepare(`SELECT ${COLUMNS} FROM mark_rule WHERE name = ?`)
    this.#all = database.prepare(`SELECT ${COLUMNS} FROM mark_rule ORDER BY name`)
    this.#insert = database.prepare(`INSERT INTO mark_rule (${COLUMNS}) VALUES (${VALUES})`)
    this.#update = database.prepare(`UPDATE mark_rule SET ${ASSIGNMENTS} WHERE name = @name`)
    this.#delete = database.prepare('DELETE FROM mark_rule WHERE name = ?')
  }

  get(name: string): MarkRuleRecord | null {
    const row = this.#get.get(name)
    return row === undefined ? null : fromRow(row)
  }

  /** By name. */
  all(): MarkRuleRecord[] {
    return this.#all.all().map(fromRow)
  }

  insert(rule: MarkRuleRecord): void {
    this.#insert.run(toRow(rule))
  }

  update(rule: MarkRuleRecord): void {
    this.#update.run(toRow(rule))
  }

  delete(name: string): void {
    this.#delete.run(name)
  }
}

function fromRow(row: Row): MarkRuleRecord {
  const { name, uid, revision, created_at: createdAt, updated_at: updatedAt } = row
  return { name, meta: { uid, revision, createdAt, updatedAt }, config: configOf(row) }
}

function configOf(row: Row): MarkRuleFields {
  const sourcePorts = row.source_ports
  const destinationPorts = row.destination_ports
  return {
    mark: row.mark,
    addressFamily: row.family,
    protocol: row.protocol,
    ...(row.source === null ? {} : { source: row.source }),
    ...(row.destination === null ? {} : { destination: row.destination }),
    ...(sourcePorts === null ? {} : { sourcePorts: JSON.parse(sourcePorts) as string[] }),
    ...(destinationPorts === null
      ? {}
      : { destinationPorts: JSON.parse(destinationPorts) as string[] }),
    ...(row.interface === null ? {} : { interface: row.interface }),
    order: row.place,
    labels: JSON.parse(row.labels) as Record<string, string>,
  }
}

function toRow({ name, meta, config }: MarkRuleRecord): Row {
  const text = (list: readonly string[] | undefined) =>
    list === undefined ? null : JSON.stringify(list)
  return {
    name,
    uid: meta.uid,
    revision: meta.revision,
    created_at: meta.createdAt,
    updated_at: meta.updatedAt,
    mark: config.mark,
    family: config.addressFamily,
    protocol: config.protocol,
    source: config.source ?? null,
    destination: config.destination ?? null,
    source_ports: text(config.sourcePorts),
    destination_ports: text(config.destinationPorts),
    interface: config.interface ?? null,
    place: config.order,
    labels: JSON.stringify(config.labels),
  }
}
