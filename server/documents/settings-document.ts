/** From a settings document as a client wrote it to complete settings, or to every fault in it. */
import { problemOf, type Fault } from '../errors.js'
import { FAULTS_MAX } from './findings.js'
import { parsePrefix } from '../ip-address.js'
import { explainKnob } from '../dataplane/kernel-knobs.js'
import { DEFAULT_SETTINGS, SettingsConfig, type SettingsFields } from '../schemas/settings.js'
import { NAMED_TIMEOUTS } from '../schemas/state-timeouts.js'
import { faultsOf, isObject, quote } from '../schemas/walk.js'

/** What is left out has its default. */
export function readSettings(body: unknown): SettingsFields {
  const faults = faultsOf(SettingsConfig, body).map(explainKnob).map(explainState)
  if (isObject(body)) faults.push(...repeatedPorts(body.ftpPorts))
  if (isObject(body)) faults.push(...badTargets(body.healthCheckTargets))
  if (faults.length > 0 || !isObject(body)) throw problemOf(faults)
  return completeSettings(body)
}

/** Every field, in one order. */
export function completeSettings(given: Partial<SettingsFields>): SettingsFields {
  const d = DEFAULT_SETTINGS
  const { timeouts = {} as Partial<SettingsFields['timeouts']> } = given
  const { stateTimeouts = {} as Partial<SettingsFields['stateTimeouts']> } = given
  return {
    timeouts: {
      tcpSeconds: timeouts.tcpSeconds ?? d.timeouts.tcpSeconds,
      tcpFinSeconds: timeouts.tcpFinSeconds ?? d.timeouts.tcpFinSeconds,
      udpSeconds: timeouts.udpSeconds ?? d.timeouts.udpSeconds,
    },
    stateTimeouts: {
      tcp: { ...d.stateTimeouts.tcp, ...stateTimeouts.tcp },
      udp: {},
      sctp: { ...d.stateTimeouts.sctp, ...stateTimeouts.sctp },
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
    dropEntry: given.dropEntry ?? d.dropEntry,
    dropPacket: given.dropPacket ?? d.dropPacket,
    secureTcp: given.secureTcp ?? d.secureTcp,
    amemthresh: given.amemthresh ?? d.amemthresh,
    amDroprate: given.amDroprate ?? d.amDroprate,
    lblcExpirationSeconds: given.lblcExpirationSeconds ?? d.lblcExpirationSeconds,
    lblcrExpirationSeconds: given.lblcrExpirationSeconds ?? d.lblcrExpirationSeconds,
    runEstimation: given.runEstimation ?? d.runEstimation,
    ftpPorts: [...(given.ftpPorts ?? d.ftpPorts)],
    ftpForeignPort: given.ftpForeignPort ?? d.ftpForeignPort,
    ftpForeignServer: given.ftpForeignServer ?? d.ftpForeignServer,
    ftpRewriteRetransmissions: given.ftpRewriteRetransmissions ?? d.ftpRewriteRetransmissions,
    healthCheckTargets: prefixesOf(given.healthCheckTargets ?? d.healthCheckTargets),
  }
}

/** Each once, in one spelling. */
const prefixesOf = (texts: readonly string[]): string[] => [
  ...new Set(texts.map(text => parsePrefix(text)!.text)),
]

function badTargets(texts: unknown): Fault[] {
  if (!Array.isArray(texts)) return []
  return texts.slice(0, FAULTS_MAX).flatMap((text: unknown, i): Fault[] => {
    if (typeof text !== 'string') return []
    const prefix = parsePrefix(text)
    const pointer = `/healthCheckTargets/${i}`
    if (prefix === null) {
      const detail = `${quote(text)} is not an address with a prefix length.`
      return [{ pointer, code: 'INVALID_PREFIX', detail, hint: 'For instance 127.0.0.1/32.' }]
    }
    if (!prefix.hostBits) return []
    const detail = `${quote(text)} has bits behind its prefix length.`
    return [{ pointer, code: 'INVALID_PREFIX', detail, hint: `Did you mean '${prefix.text}'?` }]
  })
}

/** A better word for a state whose timeout stands elsewhere. */
function explainState(fault: Fault): Fault {
  const pointer = fault.pointer ?? ''
  if (fault.code !== 'UNKNOWN_FIELD' || !Object.hasOwn(NAMED_TIMEOUTS, pointer)) return fault
  const state = quote(pointer.slice(pointer.lastIndexOf('/') + 1))
  const detail = `The timeout of ${state} has a field of its own.`
  return { ...fault, detail, hint: `It is '${NAMED_TIMEOUTS[pointer]}'.` }
}

function repeatedPorts(ports: unknown): Fault[] {
  if (!Array.isArray(ports)) return []
  return ports.slice(0, FAULTS_MAX).flatMap((port: unknown, i) => {
    if (typeof port !== 'number' || ports.indexOf(port) === i) return []
    const detail = `${port} is in the list already.`
    return [{ pointer: `/ftpPorts/${i}`, code: 'INVALID_VALUE', detail } satisfies Fault]
  })
}
