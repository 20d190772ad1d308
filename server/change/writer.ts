/**
 * Writes happen one after the other; none is refused because another is under way. Those that come
 * while one is being carried out wait and are then carried out together: one transaction, one look
 * at the host, one message to the dataplane; but each has a revision, an answer and a failure of its
 * own. What one of them breaks is done again one by one.
 */
import type { Actor } from '../auth/actor.js'
import type { Applier } from './applier.js'
import type { Origin } from './commit.js'
import { Draft, type State } from './draft.js'
import { Problem } from '../errors.js'
import type { Ground, Plan, Planned } from './ground.js'
import { permitTargets } from '../health/target-permit.js'
import { Mutex } from './mutex.js'
import type { ChangeSet, RevisionHead } from '../repo/configuration.js'

/** A write that has been carried out, or has been tried. */
export interface Done<T> {
  status: number
  body: T
  /** The revision that holds it: a new one, or the present one when there was nothing to change. */
  revision: number
}

export interface Trial<T> extends Done<T> {
  changes: ChangeSet | null
  /** What the configuration would be. */
  draft: Draft
}

/** Runs within the transaction that stores a revision. */
export type Storing = (head: RevisionHead) => void

interface Ticket {
  origin: Origin
  plan: Plan<unknown>
  storing: Storing | undefined
  resolve: (done: Done<unknown>) => void
  reject: (error: unknown) => void
}

/** Hears of a change before it is carried out, and when that is over, well or not. */
export interface Follower {
  foresee(changes: ChangeSet): void
  follow(changes: ChangeSet): void
}

/** Adds to a write what is no configuration but has to be in force with it: drains. */
export interface Companion {
  /** Notes in the draft of a write what goes with its changes; null: nothing does. */
  amend(draft: Draft, changes: ChangeSet): Addition | null
}
export interface Addition {
  /** Within the transaction that stores the write. */
  storing: Storing
  /** When that is over, well or not; with several writes, it may never have been stored. */
  over(): void
}

/** A ticket that stood its checks. */
export interface Commitment {
  head: RevisionHead
  changes: ChangeSet
  storing: Storing | undefined
}
interface Checked extends Partial<Commitment> {
  ticket: Ticket
  planned: Planned<unknown>
  revision: number
  addition?: Addition | null
}

/** Most writes that are carried out together: the last one waits for the first. */
const BATCH_MAX = 256
/** After these nothing was stored, and nothing would be if it were tried again at once. */
const FOR_ALL: readonly string[] = ['DATAPLANE_UNAVAILABLE', 'SHUTTING_DOWN']

export class Writer {
  readonly #state: State
  readonly #applier: Applier
  readonly #now: () => Date
  readonly #tell: Ground['tell']
  readonly #follower: Follower | null
  readonly #companion: () => Companion | null
  readonly #mutex = new Mutex()
  readonly #queue: Ticket[] = []

  constructor(
    state: State,
    applier: Applier,
    now: () => Date,
    tell: Ground['tell'],
    follower: Follower | null = null,
    companion: () => Companion | null = () => null,
  ) {
    this.#follower = follower
    this.#companion = companion
    this.#tell = tell
    this.#state = state
    this.#applier = applier
    this.#now = now
  }

  /** Resolves once the change is durable and in force. */
  write<T>(origin: Origin, plan: Plan<T>, storing?: Storing): Promise<Done<T>> {
    return new Promise((resolve, reject) => {
      const settle = resolve as (done: Done<unknown>) => void
      this.#queue.push({ origin, plan, storing, resolve: settle, reject })
      void this.#mutex.run(() => this.#drain())
    })
  }

  /** What a write would do, as things stand. */
  attempt<T>(plan: Plan<T>, actor: Actor | null = null): Trial<T> {
    const draft = new Draft(this.#state)
    const { status, body, problem } = plan(this.#ground(draft, this.#state.revision + 1))
    if (problem !== undefined) throw problem
    const changes = draft.changes()
    if (changes === null)
      return { status, body: body(), revision: this.#state.revision, changes, draft }
    permitTargets(changes, actor)
    this.#companion()?.amend(draft, changes)
    const { revision } = this.#state
    return { status, body: body(), revision, changes: draft.changes(), draft }
  }

  /** Runs what changes no configuration, while nothing else writes. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(work)
  }

  /** Resolves once no write is under way. */
  idle(): Promise<void> {
    return this.#mutex.idle()
  }

  async #drain(): Promise<void> {
    const tickets = this.#queue.splice(0, BATCH_MAX)
    if (tickets.length === 0) return
    // What does not fit has a call of its own waiting behind this one.
    try {
      await this.#carryOut(tickets)
    } catch (error) {
      for (const ticket of tickets) ticket.reject(error)
    }
  }

  async #carryOut(tickets: readonly Ticket[]): Promise<void> {
    const draft = new Draft(this.#state)
    const checked = this.#check(tickets, draft)
    const commitments = checked.filter((one): one is Checked & Commitment => one.head !== undefined)
    try {
      const all = draft.effects()
      if (commitments.length > 0) await this.#apply(commitments, all ?? {})
    } catch (error) {
      if (commitments.length > 1 && !isForAll(error)) {
        for (const { ticket } of checked) await this.#carryOut([ticket])
        return
      }
      for (const each of checked)
        each.ticket.reject(each.head === undefined ? error : ofRevision(error, each.revision))
      return
    }
    for (const each of checked) await this.#answer(each)
  }

  async #apply(commitments: readonly (Checked & Commitment)[], changes: ChangeSet): Promise<void> {
    this.#follower?.foresee(changes)
    try {
      await this.#applier.apply(commitments, changes)
    } finally {
      this.#follower?.follow(changes)
      for (const { addition } of commitments) addition?.over()
    }
  }

  /** Plans one after the other, each on what those before it leave; who fails is told at once. */
  #check(tickets: readonly Ticket[], draft: Draft): Checked[] {
    const checked: Checked[] = []
    let { revision } = this.#state
    for (const ticket of tickets) {
      try {
        const own = new Draft(draft)
        const ground = this.#ground(own, revision + 1)
        const planned = ticket.plan(ground)
        const wanted = own.changes()
        if (wanted === null) {
          checked.push({ ticket, planned, revision })
          continue
        }
        permitTargets(wanted, ticket.origin.actor)
        const addition = this.#companion()?.amend(own, wanted) ?? null
        const changes = own.changes()!
        draft.absorb(own)
        revision = ground.stamp.revision
        const head = { revision, at: ground.stamp.now, ...ticket.origin }
        const storing = both(ticket.storing, addition?.storing)
        checked.push({ ticket, planned, revision, head, changes, storing, addition })
      } catch (error) {
        ticket.reject(error)
      }
    }
    return checked
  }

  async #answer({ ticket, planned, revision, head }: Checked): Promise<void> {
    try {
      // An answer must not promise more than there is.
      if (head === undefined) await this.#applier.settle(planned.about ?? null)
      if (planned.problem !== undefined) throw planned.problem
      ticket.resolve({ status: planned.status, body: planned.body(), revision })
    } catch (error) {
      ticket.reject(error)
    }
  }

  #ground(draft: Draft, revision: number): Ground {
    return { draft, stamp: { revision, now: this.#now().toISOString() }, tell: this.#tell }
  }
}

const isForAll = (error: unknown): boolean =>
  error instanceof Problem && (error.code === 'APPLY_PENDING' || FOR_ALL.includes(error.code))

function both(one: Storing | undefined, other: Storing | undefined): Storing | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return head => {
    one(head)
    other(head)
  }
}

/** The same failure, for one of many. */
function ofRevision(error: unknown, revision: number): unknown {
  if (!(error instanceof Problem) || error.code !== 'APPLY_PENDING') return error
  const headers = { ...error.headers, 'config-revision': String(revision) }
  return new Problem(error.code, error.message, { cause: error.cause, headers })
}
