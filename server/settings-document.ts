/** From a settings document as a client wrote it to complete settings, or to every fault in it. */
import { problemOf } from './errors.js'
import { explainKnob } from './kernel-knobs.js'
import { DEFAULT_SETTINGS, SettingsConfig, type SettingsFields } from './schemas/settings.js'
import { faultsOf, isObject } from './schemas/walk.js'

/** What is left out has its default. */
export function readSettings(body: unknown): SettingsFields {
  const faults = faultsOf(SettingsConfig, body).map(explainKnob)
  if (faults.length > 0 || !isObject(body)) throw problemOf(faults)
  return completeSettings(body)
}

/** Every field, in one order. */
export function completeSettings(given: Partial<SettingsFields>): SettingsFields {
  const d = DEFAULT_SETTINGS
  const { timeouts = {} as Partial<SettingsFields['timeouts']> } = given
  return {
    timeouts: {
      tcpSeconds: timeouts.tcpSeconds ?? d.timeouts.tcpSeconds,
      tcpFinSeconds: timeouts.tcpFinSeconds ?? d.timeouts.tcpFinSeconds,
      udpSeconds: timeouts.udpSeconds ?? d.timeouts.udpSeconds,
    },
    expireNodestConn: given.expireNodestConn ?? d.expireNodestConn,
    expireQuiescentTemplate: given.expireQuiescentTemplate ?? d.expireQuiescentTemplate,
    connReuseMode: given.connReuseMode ?? d.connReuseMode,
    sloppyTcp: given.sloppyTcp ?? d.sloppyTcp,
    sloppySctp: given.sloppySctp ?? d.sloppySctp,
    natIcmpSend: given.natIcmpSend ?? d.natIcmpSend,
    scheduleIcmp: given.scheduleIcmp ?? d.scheduleIcmp,
    pmtuDisc: given.pmtuDisc ?? d.pmtuDisc,
    cacheBypass: given.cacheBypass ?? d.cacheBypass,
  }
}
