/**
 * Real servers that a write brings to maintenances that go on, or takes from them. Their drains are
 * stored with the write and reach the dataplane with it: weight 0 from the first packet on.
 */
import type { Addition, Companion } from '../change/writer.js'
import type { Draft } from '../change/draft.js'
import type { DrainControl } from '../control/drain-control.js'
import { assigned } from './assignment.js'
import { extensionsOf } from './extension.js'
import type { Occurrence } from '../journal/journal.js'
import { occurrenceOf, type MaintenanceBook } from './maintenance-book.js'
import type { MaintenanceClock } from './maintenance-clock.js'
import type { ChangeSet } from '../repo/configuration.js'

export interface JoinerOptions {
  book: MaintenanceBook
  clock: Pick<MaintenanceClock, 'wind'>
  drains: Pick<DrainControl, 'attend'>
  /** Writes down what happens, within a transaction. */
  happening: (occurrences: readonly Occurrence[]) => void
}

export class Joiner implements Companion {
  readonly #o: JoinerOptions

  constructor(options: JoinerOptions) {
    this.#o = options
  }

  amend(draft: Draft, { services = [] }: ChangeSet): Addition | null {
    const { book, clock, drains, happening } = this.#o
    const active = book.active()
    if (active.length === 0) return null
    const assignments = book.wanted(services.flatMap(({ after }) => after ?? []))
    if (assignments.length === 0) return null
    for (const { after } of assigned(assignments)) draft.setService(after.name, after)
    const extensions = extensionsOf(active, assignments)
    return {
      storing: head => {
        for (const { record } of extensions) book.storeJoined(record)
        if (extensions.length === 0) return
        happening(
          extensions.map(({ record, detail }) =>
            occurrenceOf('extended', record, { detail }, head),
          ),
        )
      },
      over: () => {
        drains.attend(assignments)
        for (const { record } of extensions) book.reread(record.name)
        if (extensions.length > 0) clock.wind()
      },
    }
  }
}
