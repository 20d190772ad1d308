/** `net.ipv4.vs.*` as the appliance's settings; what it does not have is an error. */
import type { SettingsConfig } from '../../dataplane/protocol.js'
import { CaseError } from './case.js'

/** The settings with that one changed. */
export function withSysctl(settings: SettingsConfig, name: string, value: string): SettingsConfig {
  if (!/^\d+$/.test(value)) throw new CaseError(`the setting ${name} with the value '${value}'`)
  const number = Number(value)
  const on = number !== 0
  switch (name) {
    case 'expire_nodest_conn':
      return { ...settings, expireNodestConn: on }
    case 'expire_quiescent_template':
      return { ...settings, expireQuiescentTemplate: on }
    case 'conn_reuse_mode':
      return { ...settings, connReuseMode: number }
    case 'sloppy_tcp':
      return { ...settings, sloppyTcp: on }
    case 'sloppy_sctp':
      return { ...settings, sloppySctp: on }
    case 'nat_icmp_send':
      return { ...settings, natIcmpSend: on }
    case 'schedule_icmp':
      return { ...settings, scheduleIcmp: on }
    case 'pmtu_disc':
      return { ...settings, pmtuDisc: on }
    case 'cache_bypass':
      return { ...settings, cacheBypass: on }
    case 'drop_entry':
      return { ...settings, dropEntry: defenceMode(name, number) }
    case 'drop_packet':
      return { ...settings, dropPacket: defenceMode(name, number) }
    case 'secure_tcp':
      return { ...settings, secureTcp: defenceMode(name, number) }
    case 'lblc_expiration':
      return { ...settings, lblcExpirationS: number }
    case 'lblcr_expiration':
      return { ...settings, lblcrExpirationS: number }
    case 'run_estimation':
      return { ...settings, runEstimation: on }
    case 'amemthresh':
      return { ...settings, amemthresh: number }
    case 'am_droprate':
      return { ...settings, amDroprate: number }
    default:
      throw new CaseError(`the setting ${name} is not there yet`)
  }
}

function defenceMode(name: string, value: number): 0 | 1 | 2 | 3 {
  if (value === 0 || value === 1 || value === 2 || value === 3) return value
  throw new CaseError(`the setting ${name} with the value ${value}`)
}
