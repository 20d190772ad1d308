import type { Packet } from '../../packet.js'
import { ENGINE_NAMES, PE_OCTETS_MAX } from '../../shared/pe-record.js'
import { UDP } from '../../wire/ip-protocol.js'
import * as udp from '../../wire/udp.js'
import { callIdLength, findCallId } from './call-id.js'
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
    const length = callIdLength(view, at, end)
    if (length > PE_OCTETS_MAX) return false
    found.engine = NUMBER
    found.view = view
    found.at = at
    found.length = length
    return true
  }
}
