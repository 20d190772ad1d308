import { PE_OCTETS_MAX, ENGINE_NAMES } from '../../shared/pe-record.js'
import type { Packet } from '../../packet.js'
import { UDP } from '../../wire/ip-protocol.js'
import * as udp from '../../wire/udp.js'
import { findCallId } from './call-id.js'
import type { Excerpt, PersistenceEngine } from './engine.js'

const NUMBER = ENGINE_NAMES.indexOf('sip')

/** SIP over UDP by Call-ID (ip_vs_pe_sip.c): all datagrams of a call reach one real server. */
export class Sip implements PersistenceEngine {
  readonly name = 'sip'
  readonly startsFromServer = true

  read({ view, l4, end, flow }: Packet, found: Excerpt): boolean {
    if (flow.protocol !== UDP) return false
    const payload = l4 + udp.MIN_LENGTH
    const at = findCallId(view, payload, end)
    if (at === 0) return false
    const length = (at & 0xffff) - 1
    if (length > PE_OCTETS_MAX) return false
    found.engine = NUMBER
    found.view = view
    found.at = payload + Math.floor(at / 0x10000)
    found.length = length
    return true
  }
}
