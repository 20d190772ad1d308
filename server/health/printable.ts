/** Octets of strangers as text that does nothing to a terminal, a log or a page. */

/** At most `max` octets, printable ASCII as it is, the rest as `\n`, `\r`, `\t` or `\xNN`. */
export function printable(octets: Uint8Array, max = 256): string {
  let text = ''
  for (const octet of octets.subarray(0, max)) {
    if (octet === 0x5c) text += '\\\\'
    else if (octet >= 0x20 && octet < 0x7f) text += String.fromCharCode(octet)
    else text += SHORT[octet] ?? `\\x${octet.toString(16).padStart(2, '0')}`
  }
  return octets.length > max ? `${text}...` : text
}

const SHORT: Readonly<Record<number, string>> = { 9: '\\t', 10: '\\n', 13: '\\r' }

/** The same for a text that a stranger had a hand in: a certificate's subject, an error of OpenSSL. */
export const printableText = (text: string, max = 200): string => printable(Buffer.from(text), max)

/** A sentence of ours that may hold such texts: one line, cut to `max` characters. */
export function oneLine(text: string, max: number): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
  return line.length > max ? `${line.slice(0, max)}...` : line
}
