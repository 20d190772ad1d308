/** The configuration as one: reading it whole, and the plans of changing it. */
import { checkTag, type Conditions } from '../http/conditions.js'
import { planChanges, type Kinds } from '../change/change-list.js'
import { collect, planConfiguration } from '../change/config-plan.js'
import type { Manner } from '../documents/declared.js'
import type { State } from '../change/draft.js'
import { problemOf } from '../errors.js'
import type { Ground, Plan } from '../change/ground.js'
import type { History, Past } from '../change/history.js'
import { mergePatch } from '../http/merge-patch.js'
import { PlanRequest, RollbackRequest } from '../schemas/configuration.js'
import { faultsOf, isObject } from '../schemas/walk.js'
import type { Resource } from '../documents/views.js'
import { wholeDocument } from '../documents/whole-document.js'

export class ConfigControl {
  readonly #state: State
  readonly #history: History
  readonly #kinds: Kinds

  constructor(state: State, history: History, kinds: Kinds) {
    this.#state = state
    this.#history = history
    this.#kinds = kinds
  }

  get(manner: Manner): Resource<object> {
    return { view: wholeDocument(this.#state, manner), etag: tagOf(this.#state.revision) }
  }

  etag = (): string => tagOf(this.#state.revision)

  put(body: unknown, wanted: Conditions): Plan<Resource<object>> {
    return ground => {
      check(ground, wanted)
      planConfiguration(ground, body, this.#kinds)
      return this.#planned(ground)
    }
  }

  patch(patch: unknown, wanted: Conditions): Plan<Resource<object>> {
    return ground => {
      check(ground, wanted)
      // What follows its service's port has none of its own, so that it goes on following.
      const before = wholeDocument(ground.draft, 'declared')
      planConfiguration(ground, mergePatch(before, patch), this.#kinds)
      return this.#planned(ground)
    }
  }

  /** Back to what `revision` was. Throws when its state is not kept. */
  rollback(body: unknown, wanted: Conditions): Plan<null> {
    const faults = faultsOf(RollbackRequest, body)
    if (faults.length > 0) throw problemOf(faults)
    const { revision } = body as { revision: number }
    return ground => {
      check(ground, wanted)
      this.#replace(ground, this.#history.at(revision))
      return DONE
    }
  }

  /**
   * Takes back what one revision changed and leaves what others changed since; where that makes no
   * configuration any more, everything goes back to before that revision.
   */
  undo(revision: number, takenBack: readonly number[] = []): Plan<null> {
    return ground => {
      const { draft } = ground
      const own = draft.fork()
      try {
        this.#replace({ ...ground, draft: own }, this.#history.without(revision, takenBack))
        draft.absorb(own)
      } catch {
        this.#replace(ground, this.#history.at(revision - 1))
      }
      return DONE
    }
  }

  changes(body: unknown, wanted: Conditions): Plan<null> {
    return ground => {
      check(ground, wanted)
      planChanges(ground, body, this.#kinds)
      return DONE
    }
  }

  /** For POST /v1/plans: a whole configuration or a list of changes. */
  planned(body: unknown): Plan<null> {
    const faults = faultsOf(PlanRequest, body)
    const given = isObject(body) ? body : {}
    const { configuration, changes } = given
    // The parts are looked at where they are read, with all that is wrong with them.
    const own = faults.filter(({ pointer = '' }) => pointer.lastIndexOf('/') <= 0)
    if (own.length > 0) throw problemOf(own)
    if ((configuration === undefined) === (changes === undefined)) {
      const detail = "Give either 'configuration' or 'changes'."
      throw problemOf([{ pointer: '', code: 'CONFLICTING_FIELDS', detail }])
    }
    const pointer = configuration === undefined ? '/changes' : '/configuration'
    return ground => {
      within(pointer, () => {
        if (configuration === undefined) planChanges(ground, changes, this.#kinds)
        else planConfiguration(ground, configuration, this.#kinds)
      })
      return DONE
    }
  }

  #replace(ground: Ground, { document, places }: Past): void {
    planConfiguration(ground, document, { ...this.#kinds, lenient: true, places })
  }

  #planned({ draft, stamp }: Ground) {
    // As it is with this change, whatever others have done by the time of the answer.
    const revision = draft.changes() === null ? stamp.revision - 1 : stamp.revision
    const view = wholeDocument(draft, 'full')
    return { status: 200 as const, body: () => ({ view, etag: tagOf(revision) }) }
  }
}

const DONE = { status: 200 as const, body: () => null }

const tagOf = (revision: number): string => `"${revision}"`

function check({ stamp, tell }: Ground, wanted: Conditions): void {
  const revision = stamp.revision - 1
  const told = () => `The configuration is at ${tell(revision, 'dated') ?? revision}`
  checkTag(wanted, tagOf(revision), told)
}

function within(pointer: string, work: () => void): void {
  const faults: Parameters<typeof collect>[0] = []
  collect(faults, pointer, work)
  if (faults.length > 0) throw problemOf(faults)
}
