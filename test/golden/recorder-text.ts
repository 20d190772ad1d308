/**
 * A packet in the words of the recorder: where a case holds only this text of an output, ours is
 * put into the same words. Knows ICMP errors that quote a TCP segment, which is all there is.
 */
import { readHeaders } from './headers.js'

const TCP = 6
const ICMP = 1
const DF = 0x4000
/** Letters of the flags from bit 0 on; the recorder sorts them. */
const FLAGS = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C']

export function recorderText(ip: Uint8Array): string {
  const h = readHeaders(ip)
  const b = Buffer.from(ip)
  if (h === null || h.family !== 4) return `?${b.toString('hex')}`
  const id = b.readUInt16BE(4)
  const tail = `ttl=${h.ttl} id=${id} tos=${h.tos}${(b.readUInt16BE(6) & DF) !== 0 ? ' DF' : ''}`
  if (h.protocol === TCP && h.ports !== null) {
    const header = (b[h.l4 + 12]! >>> 4) * 4
    const flags = FLAGS.filter((_, i) => ((b[h.l4 + 13]! >>> i) & 1) !== 0).join('')
    const fields = [
      `${h.src}:${h.ports.src} > ${h.dst}:${h.ports.dst} TCP ${flags}`,
      `seq=${b.readUInt32BE(h.l4 + 4)} ack=${b.readUInt32BE(h.l4 + 8)}`,
      `win=${b.readUInt16BE(h.l4 + 14)} optlen=${header - 20} len=${h.total - h.l4 - header}`,
    ]
    return `${fields.join(' ')} ${tail}`
  }
  if (h.protocol !== ICMP) return `?${b.toString('hex')}`
  const rest = b.subarray(h.l4 + 4, h.l4 + 8).toString('hex')
  const kind = `ICMP type=${b[h.l4]} code=${b[h.l4 + 1]} rest=${rest}`
  const quote = recorderText(ip.subarray(h.l4 + 8))
  return `${h.src} > ${h.dst} ${kind} ${tail} {${quote}}`
}

/** IPv4 identification of what the director itself creates is not compared. */
export function withoutOwnId(text: string): string {
  return text.startsWith('?') || !text.includes(' ICMP ') ? text : text.replace(/ id=\d+/, '')
}
