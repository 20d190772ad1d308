/** `net.ipv4.vs.*` as the engine's settings; what it does not have is an error. */
import type { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import { CaseError } from './case.js'

export function applySysctl(ipvs: Ipvs, name: string, value: string): void {
  const { settings } = ipvs
  const number = Number(value)
  const on = number !== 0
  switch (name) {
    case 'expire_nodest_conn':
      settings.expireNodestConn = on
      break
    case 'expire_quiescent_template':
      settings.expireQuiescentTemplate = on
      break
    case 'conn_reuse_mode':
      settings.connReuseMode = number
      break
    case 'sloppy_tcp':
      settings.sloppyTcp = on
      ipvs.protocols.tcp.sloppy = on
      break
    case 'sloppy_sctp':
      settings.sloppySctp = on
      ipvs.protocols.sctp.sloppy = on
      break
    case 'nat_icmp_send':
      settings.natIcmpSend = on
      break
    case 'schedule_icmp':
      settings.scheduleIcmp = on
      break
    case 'pmtu_disc':
      settings.pmtuDisc = on
      break
    case 'cache_bypass':
      settings.cacheBypass = on
      break
    default:
      throw new CaseError(`the setting ${name} is not there yet`)
  }
}
