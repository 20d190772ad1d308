/** Gives a new dataplane worker everything, and finds out which services it does not take. */
import type { Logger } from 'pino'
import type { MarkRuleConfig } from '../../dataplane/protocol.js'
import { OpRefused, type Call } from './dataplane-client.js'
import type { State } from '../change/draft.js'
import { opsOf, restoreOf, settingsConfig, type StandingSource } from '../change/plan.js'
import type { ServiceRecord } from '../repo/records.js'
import type { RowTable } from '../live/row-table.js'

export interface RestorerOptions {
  state: State
  standings: StandingSource
  rows: RowTable
  /** The rules that the dataplane can be asked about. */
  markRules: () => MarkRuleConfig[]
  logger: Logger
}

export class Restorer {
  /** Services that the dataplane does not have, and why. */
  readonly refused = new Map<string, string>()
  readonly #o: RestorerOptions

  constructor(options: RestorerOptions) {
    this.#o = options
  }

  restore = async (call: Call): Promise<void> => {
    const records = [...this.#o.state.services()].sort((a, b) => a.position - b.position)
    this.refused.clear()
    try {
      await this.#restoreAll(call, records)
    } catch (cause) {
      if (!(cause instanceof OpRefused)) throw cause
      this.#o.logger.error({ err: cause }, 'the dataplane refused the configuration; one by one')
      await this.#findRefused(call, records)
      const accepted = records.filter(({ name }) => !this.refused.has(name))
      await this.#restoreAll(call, accepted)
    }
  }

  async #restoreAll(call: Call, records: readonly ServiceRecord[]): Promise<void> {
    const { state, standings, rows, logger } = this.#o
    const services = restoreOf(records, rows, standings)
    const settings = settingsConfig(state.settings())
    const markRules = this.#o.markRules()
    const restored = await call({ op: 'restore', services, settings, markRules })
    rows.restored(
      restored.services.map((each, i) => ({ key: services[i]!.service.key, rows: each })),
    )
    const { adoptedConns } = restored
    logger.info({ services: records.length, adoptedConns }, 'dataplane has everything')
  }

  /** One service that the dataplane refuses must not keep the others out. */
  async #findRefused(call: Call, records: readonly ServiceRecord[]): Promise<void> {
    const { standings, logger } = this.#o
    await call({ op: 'flush' })
    for (const record of records) {
      try {
        const services = [{ before: null, after: record }]
        await call({ op: 'batch', ops: opsOf({ services }, [], standings) })
      } catch (error) {
        if (!(error instanceof OpRefused)) throw error
        this.refused.set(record.name, error.message)
        logger.error({ err: error, service: record.name }, 'the dataplane refused a service')
      }
    }
    await call({ op: 'flush' })
  }
}
