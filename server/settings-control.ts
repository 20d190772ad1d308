/** The rules of /v1/settings. */
import { isDeepStrictEqual } from 'node:util'
import { checkConditions, type Conditions } from './conditions.js'
import { nextMeta } from './drafts.js'
import { mergePatch } from './merge-patch.js'
import type { ConfigurationRepo } from './repo/configuration.js'
import type { SettingsRecord } from './repo/records.js'
import { readSettings } from './settings-document.js'
import { etagOf, type Written } from './views.js'
import type { Writer } from './writer.js'

const viewOf = ({ config, meta }: SettingsRecord) => ({ ...config, meta })
export type SettingsView = ReturnType<typeof viewOf>

export class SettingsControl {
  readonly #repo: ConfigurationRepo
  readonly #writer: Writer

  constructor(repo: ConfigurationRepo, writer: Writer) {
    this.#repo = repo
    this.#writer = writer
  }

  get(): Written<SettingsView> {
    return this.#written(this.#repo.revision())
  }

  put(body: unknown, conditions: Conditions): Promise<Written<SettingsView>> {
    return this.#write(conditions, () => body)
  }

  patch(patch: unknown, conditions: Conditions): Promise<Written<SettingsView>> {
    return this.#write(conditions, before => mergePatch(before.config, patch))
  }

  #write(
    conditions: Conditions,
    bodyOf: (before: SettingsRecord) => unknown,
  ): Promise<Written<SettingsView>> {
    return this.#writer.run(async stamp => {
      const before = this.#repo.settings.get()
      checkConditions(conditions, before)
      const config = readSettings(bodyOf(before))
      const same = isDeepStrictEqual(config, before.config)
      const after: SettingsRecord = { name: 'settings', meta: nextMeta(before, stamp), config }
      return this.#written(await this.#writer.commit(same ? null : { settings: { before, after } }))
    })
  }

  #written(revision: number): Written<SettingsView> {
    const settings = this.#repo.settings.get()
    return { view: viewOf(settings), etag: etagOf(settings), created: false, revision }
  }
}
