/**
 * Keeps the kernel from also acting on packets that the dataplane handles: it would answer them
 * with RST or ICMP, or forward them untranslated. One nftables table (guard-ruleset.ts) holds the
 * rules; this holds what is in its sets, counted, because one endpoint may serve several services.
 */
import { randomInt } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { CommandError, run as runCommand, type Run } from './command.js'
import { elementsOf, type Guarded, type SetElement } from './guard-elements.js'
import { markStatements, type MarkPlan } from './guard-marks.js'
import { removal, ruleset, statements, TABLE, type GuardMode } from './guard-ruleset.js'

export type { Guarded }

export interface GuardOptions {
  /** Interfaces that the dataplane reads; packets from elsewhere are never touched. */
  interfaces: readonly string[]
  mode?: GuardMode
  run?: Run
}

interface Held extends SetElement {
  count: number
}

export class PacketGuard {
  readonly #interfaces: readonly string[]
  readonly #mode: GuardMode
  readonly #run: Run
  readonly #held = new Map<string, Held>()
  #marks: readonly MarkPlan[] = []
  /** How many chains of mark rules the table holds. */
  #markChains = 0
  /** Written into the table, so that it can be told from one that somebody else put back. */
  #token: number | null = null

  constructor({ interfaces, mode = 'drop', run = runCommand }: GuardOptions) {
    this.#interfaces = interfaces
    this.#mode = mode
    this.#run = run
  }

  /** Puts the table in place of whatever an earlier Sluice left, in one transaction. */
  async install(): Promise<void> {
    const token = randomInt(1, 2 ** 31)
    await this.#nft(this.#whole(token, this.#held.values(), this.#marks))
    this.#token = token
    this.#markChains = this.#marks.length
  }

  /** Guards these endpoints too. All or nothing: when nft refuses, none of them is held; they are gone through twice then. */
  async add(endpoints: Iterable<Guarded>): Promise<void> {
    const fresh: SetElement[] = []
    for (const element of elementsOfAll(endpoints)) if (this.#hold(element)) fresh.push(element)
    try {
      await this.#change('add', fresh)
    } catch (error) {
      for (const element of elementsOfAll(endpoints)) this.#release(element)
      throw error
    }
  }

  /** Rejects when nft would not guard these too, with marks as in `plans`; changes nothing. */
  async examine(endpoints: Iterable<Guarded>, plans: readonly MarkPlan[]): Promise<void> {
    const fresh = new Map<string, SetElement>()
    for (const element of elementsOfAll(endpoints)) {
      const key = keyOf(element)
      if (!this.#held.has(key)) fresh.set(key, element)
    }
    const elements = [...fresh.values()]
    const hasMarks = isDeepStrictEqual(this.#marks, plans)
    const marks = hasMarks ? [] : markStatements(TABLE, this.#markChains, plans, this.#interfaces)
    const batch = [...statements('add', elements), ...marks]
    if (batch.length === 0) return
    if (this.#token !== null && (await this.#accepts(batch.join('\n')))) return
    const all = [...this.#held.values(), ...elements]
    await this.#nft(this.#whole(this.#token ?? 1, all, plans), '--check')
  }

  /** Lets these go, each as often as it was added; what nobody holds any more is unguarded. */
  async remove(endpoints: Iterable<Guarded>): Promise<void> {
    const stale: SetElement[] = []
    for (const element of elementsOfAll(endpoints)) if (this.#release(element)) stale.push(element)
    await this.#change('delete', stale)
  }

  /** Guards the packets of these services by mark, instead of those so far; whole or not at all. */
  async setMarks(plans: readonly MarkPlan[]): Promise<void> {
    const before = this.#marks
    if (isDeepStrictEqual(before, plans)) return
    this.#marks = plans
    try {
      if (this.#token === null) return await this.install()
      const batch = markStatements(TABLE, this.#markChains, plans, this.#interfaces)
      await this.#update(batch)
      this.#markChains = plans.length
    } catch (error) {
      this.#marks = before
      throw error
    }
  }

  /**
   * Puts the table back when somebody took it away (`nft flush ruleset`, a reload of the host's
   * firewall). Returns whether that was needed.
   */
  async verify(): Promise<boolean> {
    if (this.#token === null || (await this.#installedToken()) === this.#token) return false
    await this.install()
    return true
  }

  /** Takes the table off the host. */
  async uninstall(): Promise<void> {
    this.#token = null
    this.#markChains = 0
    await this.#nft(removal())
  }

  /** A batch that puts the table up with all of this in it. */
  #whole(token: number, held: Iterable<SetElement>, plans: readonly MarkPlan[]): string {
    const table = ruleset(this.#mode, this.#interfaces, token, held)
    return [table, ...markStatements(TABLE, 0, plans, this.#interfaces)].join('\n')
  }

  #hold(element: SetElement): boolean {
    const key = keyOf(element)
    const held = this.#held.get(key)
    if (held) held.count++
    else this.#held.set(key, { ...element, count: 1 })
    return held === undefined
  }

  #release(element: SetElement): boolean {
    const key = keyOf(element)
    const held = this.#held.get(key)
    if (!held || --held.count > 0) return false
    return this.#held.delete(key)
  }

  async #change(verb: 'add' | 'delete', elements: readonly SetElement[]): Promise<void> {
    // Not on the host yet: it comes at once, with everything that is held, or not at all.
    if (this.#token === null) return verb === 'add' ? this.install() : undefined
    if (elements.length === 0) return
    await this.#update(statements(verb, elements))
  }

  async #update(batch: readonly string[]): Promise<void> {
    try {
      await this.#nft(batch.join('\n'))
    } catch (error) {
      // Somebody else may have emptied or removed the table; start from what is held.
      if (!(error instanceof CommandError) || error.exitCode === null) throw error
      await this.install()
    }
  }

  /** Whether nft and the kernel would take a batch, as the table stands. */
  async #accepts(batch: string): Promise<boolean> {
    try {
      await this.#nft(batch, '--check')
      return true
    } catch (error) {
      if (error instanceof CommandError && error.exitCode !== null) return false
      throw error
    }
  }

  /** Reads one small set: everything else that nft can list costs a walk over all elements. */
  async #installedToken(): Promise<number | null> {
    try {
      const listing = await this.#nft(`list set ${TABLE} owner`)
      return Number(/elements = \{ (\w+) \}/.exec(listing)?.[1] ?? NaN)
    } catch (error) {
      if (error instanceof CommandError && error.exitCode !== null) return null
      throw error
    }
  }

  async #nft(batch: string, ...options: readonly string[]): Promise<string> {
    try {
      return await this.#run('nft', [...options, '-f', '-'], batch)
    } catch (error) {
      if (error instanceof CommandError && error.missing)
        throw new CommandError(
          'nft is not installed; the packet guard needs it: apt-get install nftables',
          {
            missing: true,
            cause: error,
          },
        )
      throw error
    }
  }
}

/** One at a time: an import may bring hundreds of thousands, most of which are held already. */
function* elementsOfAll(endpoints: Iterable<Guarded>): Generator<SetElement> {
  for (const endpoint of endpoints) yield* elementsOf(endpoint)
}

const keyOf = ({ set, element }: SetElement) => `${set} ${element}`
