/** The rules of /v1/settings. */
import { isDeepStrictEqual } from 'node:util'
import { DEFENCE } from '../dataplane/shared/memory.js'
import { checkConditions, type Intent } from './conditions.js'
import type { Dataplane } from './dataplane-client.js'
import { nextMeta } from './drafts.js'
import { mergePatch } from './merge-patch.js'
import type { ConfigurationRepo } from './repo/configuration.js'
import type { SettingsRecord } from './repo/records.js'
import type { DefenceMode, DefenceStatus } from './schemas/settings.js'
import { readSettings } from './settings-document.js'
import { etagOf, type Written } from './views.js'
import type { Writer } from './writer.js'

const viewOf = ({ config, meta }: SettingsRecord, status: DefenceStatus) => ({
  ...config,
  meta,
  status,
})
export type SettingsView = ReturnType<typeof viewOf>

export class SettingsControl {
  readonly #repo: ConfigurationRepo
  readonly #writer: Writer
  /** The words that the dataplane keeps for other threads. */
  readonly #control: Int32Array

  constructor(repo: ConfigurationRepo, writer: Writer, { memory }: Dataplane) {
    this.#repo = repo
    this.#writer = writer
    this.#control = new Int32Array(memory.control)
  }

  get(): Written<SettingsView> {
    return this.#written(this.#repo.revision())
  }

  put(body: unknown, intent: Intent): Promise<Written<SettingsView>> {
    return this.#write(intent, () => body)
  }

  patch(patch: unknown, intent: Intent): Promise<Written<SettingsView>> {
    return this.#write(intent, before => mergePatch(before.config, patch))
  }

  #write(
    intent: Intent,
    bodyOf: (before: SettingsRecord) => unknown,
  ): Promise<Written<SettingsView>> {
    return this.#writer.run(intent.origin, async stamp => {
      const before = this.#repo.settings.get()
      checkConditions(intent, before)
      const config = readSettings(bodyOf(before))
      const same = isDeepStrictEqual(config, before.config)
      const after: SettingsRecord = { name: 'settings', meta: nextMeta(before, stamp), config }
      return this.#written(await this.#writer.commit(same ? null : { settings: { before, after } }))
    })
  }

  #written(revision: number): Written<SettingsView> {
    const settings = this.#repo.settings.get()
    const status = defenceStatus(Atomics.load(this.#control, DEFENCE))
    return { view: viewOf(settings, status), etag: etagOf(settings), created: false, revision }
  }
}

/** drop_entry | drop_packet << 2 | secure_tcp << 4. */
const defenceStatus = (word: number): DefenceStatus => ({
  dropEntry: (word & 3) as DefenceMode,
  dropPacket: ((word >> 2) & 3) as DefenceMode,
  secureTcp: ((word >> 4) & 3) as DefenceMode,
})
