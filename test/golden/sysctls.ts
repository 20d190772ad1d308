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
    default:
      throw new CaseError(`the setting ${name} is not there yet`)
  }
}
