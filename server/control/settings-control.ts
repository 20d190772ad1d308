/** The rules of /v1/settings. */
import { isDeepStrictEqual } from 'node:util'
import { defencesOf } from '../../dataplane/shared/memory.js'
import { checkConditions, type Conditions } from '../http/conditions.js'
import { memoriesOf, type Dataplane } from '../dataplane/dataplane-client.js'
import { settingsFields } from '../documents/declared.js'
import type { Draft, State } from '../change/draft.js'
import { problemOf, type Fault } from '../errors.js'
import type { Ground, Plan } from '../change/ground.js'
import { allowListFaults } from '../health/check-references.js'
import { mergePatch } from '../http/merge-patch.js'
import { nextMeta } from '../change/next-records.js'
import type { SettingsRecord } from '../repo/records.js'
import type { DefenceMode, DefenceStatus } from '../schemas/settings.js'
import type { Wanted } from '../change/service-plans.js'
import { readSettings } from '../documents/settings-document.js'
import { etagOf, type Resource } from '../documents/views.js'

const viewOf = ({ config, meta }: SettingsRecord, status: DefenceStatus) => ({
  ...config,
  meta,
  status,
})
export type SettingsView = ReturnType<typeof viewOf>

export class SettingsControl {
  readonly #state: State
  /** The words that each worker keeps for other threads. */
  readonly #controls: readonly Int32Array[]

  constructor(state: State, dataplane: Dataplane) {
    this.#state = state
    this.#controls = memoriesOf(dataplane).map(({ control }) => new Int32Array(control))
  }

  get(): Resource<SettingsView> {
    return this.#resource(this.#state.settings())
  }

  declared() {
    const settings = this.#state.settings()
    return { view: settingsFields(settings, 'declared'), etag: etagOf(settings) }
  }

  put(body: unknown, wanted: Conditions): Plan<Resource<SettingsView>> {
    return ground => this.#planned(ground, putSettings(ground, body, wanted))
  }

  patch(patch: unknown, wanted: Conditions): Plan<Resource<SettingsView>> {
    return ground => this.#planned(ground, patchSettings(ground, patch, wanted))
  }

  #planned({ draft }: Ground, settings: SettingsRecord) {
    const faults = settingsFaults(draft, this.#state.settings())
    if (faults.length > 0) throw problemOf(faults)
    return { status: 200 as const, body: () => this.#resource(settings) }
  }

  #resource(settings: SettingsRecord): Resource<SettingsView> {
    const status = defenceStatus(defencesOf(this.#controls))
    return { view: viewOf(settings, status), etag: etagOf(settings) }
  }
}

export function putSettings({ draft, stamp, tell }: Ground, body: unknown, wanted: Wanted) {
  const before = draft.settings()
  if (wanted !== null) checkConditions(wanted, before, tell)
  const config = readSettings(body)
  if (isDeepStrictEqual(config, before.config)) return before
  const after: SettingsRecord = { name: 'settings', meta: nextMeta(before, stamp), config }
  draft.setSettings(after)
  return after
}

/** What is wrong with settings in the light of everything else. */
export function settingsFaults(draft: Draft, before: SettingsRecord): Fault[] {
  const list = ({ config }: SettingsRecord) => config.healthCheckTargets
  return isDeepStrictEqual(list(draft.settings()), list(before)) ? [] : allowListFaults(draft)
}

export const patchSettings = (ground: Ground, patch: unknown, wanted: Wanted): SettingsRecord =>
  putSettings(ground, mergePatch(ground.draft.settings().config, patch), wanted)

/** drop_entry | drop_packet << 2 | secure_tcp << 4. */
const defenceStatus = (word: number): DefenceStatus => ({
  dropEntry: (word & 3) as DefenceMode,
  dropPacket: ((word >> 2) & 3) as DefenceMode,
  secureTcp: ((word >> 4) & 3) as DefenceMode,
})
