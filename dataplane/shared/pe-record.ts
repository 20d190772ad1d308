/**
 * What a persistence engine knows a template by (struct ip_vs_conn's pe_data), beside the
 * connection records: 68 words each, record n at word `n * PE_WORDS`, number 0 never used. Word PE
 * of a connection is the number of its record. Only the dataplane worker writes.
 *
 *     word 0     1           2     3                        4 .. 67
 *          next  connection  hash  engine << 16 | octets    the octets themselves, big-endian, zero padded
 */
export const PE_WORDS = 68

/** Next record of the hash chain, or of the free list. */
export const PE_NEXT = 0
/** The template it belongs to; 0 = free. */
export const PE_CONN = 1
export const PE_HASH = 2
export const PE_LENGTH = 3
export const PE_DATA = 4

/** IP_VS_PEDATA_MAXLEN. */
export const PE_OCTETS_MAX = 255

/** By number as it stands in PE_LENGTH. */
export const ENGINE_NAMES = ['', 'sip'] as const

export interface EngineData {
  name: string
  /** As in /proc/net/ip_vs_conn. */
  data: string
}

/** Record `n` as text; null for 0. */
export function readEngineData(words: Int32Array, n: number): EngineData | null {
  if (n === 0) return null
  const at = n * PE_WORDS
  const header = words[at + PE_LENGTH]!
  const length = Math.min(header & 0xffff, PE_OCTETS_MAX)
  let data = ''
  for (let i = 0; i < length; i++) {
    data += String.fromCharCode((words[at + PE_DATA + (i >>> 2)]! >>> (24 - 8 * (i & 3))) & 0xff)
  }
  return { name: ENGINE_NAMES[header >>> 16] ?? '', data }
}
