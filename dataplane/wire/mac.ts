// Hardware addresses as text (logs, configuration) and as the two numbers that headers carry.

/** First two octets as a number, last four as a signed word. */
export interface Mac {
  readonly high: number
  readonly low: number
}

/** Reads `02:00:00:00:00:01`, either case; null for anything else. */
export function parse(text: string): Mac | null {
  if (text.length !== 17) return null
  let high = 0
  let low = 0
  for (let i = 0; i < 6; i++) {
    if (i > 0 && text[i * 3 - 1] !== ':') return null
    const upper = digit(text.charCodeAt(i * 3))
    const lower = digit(text.charCodeAt(i * 3 + 1))
    if (upper < 0 || lower < 0) return null
    const octet = (upper << 4) | lower
    if (i < 2) high = (high << 8) | octet
    else low = (low << 8) | octet
  }
  return { high, low }
}

/** Lower case with colons. */
export function format(high: number, low: number): string {
  const hex = (high >>> 0).toString(16).padStart(4, '0') + (low >>> 0).toString(16).padStart(8, '0')
  let text = hex.slice(0, 2)
  for (let i = 2; i < 12; i += 2) text += ':' + hex.slice(i, i + 2)
  return text
}

/** Value of a hexadecimal digit, -1 for any other character. */
function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
