/**
 * Finds the Call-ID of a SIP message (RFC 3261 section 20.8; compact form `i`, section 7.3.3) as
 * Linux does: the first line is never a header, names are case-insensitive, space may stand around
 * the colon and the value may be folded onto the next line (section 7.3.1). The value is
 * `word [ "@" word ]` (section 25.1) and must be followed by CR or LF.
 */
const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const COLON = 0x3a
const AT = 0x40
const NAME = Uint8Array.from('call-id', letter => letter.charCodeAt(0))
const COMPACT = 0x69
/** Makes an ASCII letter lower case, and no other octet of NAME's. */
const LOWER = 0x20

/** RFC 3261 section 25.1: alphanum and the marks that may stand in a `word`. */
const IS_WORD = (() => {
  const table = new Uint8Array(256)
  const marks = '-.!%*_+`\'~()<>:\\"/[]?{}'
  for (let c = 0; c < 128; c++) {
    const text = String.fromCharCode(c)
    if (/[A-Za-z0-9]/.test(text) || marks.includes(text)) table[c] = 1
  }
  return table
})()

/** Where the value of the Call-ID starts, or 0. The message stands at [at, end), `at` not 0. */
export function findCallId(view: DataView, at: number, end: number): number {
  let line = nextHeader(view, at, end)
  while (line < end) {
    const name = nameLength(view, line, end)
    if (name !== 0) {
      const colon = skipSpace(view, line + name, end)
      if (colon >= end || view.getUint8(colon) !== COLON) return 0
      const value = skipSpace(view, colon + 1, end)
      if (value >= end) return 0
      const after = value + callIdLength(view, value, end)
      if (after !== value) return after < end && isLineEnd(view.getUint8(after)) ? value : 0
    }
    line = nextHeader(view, line, end)
  }
  return 0
}

/** Octets of the Call-ID at `at`; 0 when there is none. */
export function callIdLength(view: DataView, at: number, end: number): number {
  const local = wordLength(view, at, end)
  const mark = at + local
  if (local === 0 || mark >= end || view.getUint8(mark) !== AT) return local
  const host = wordLength(view, mark + 1, end)
  return host === 0 ? 0 : local + 1 + host
}

function wordLength(view: DataView, at: number, end: number): number {
  let i = at
  while (i < end && IS_WORD[view.getUint8(i)] === 1) i++
  return i - at
}

/** Start of the next line that does not continue the one before; `end` when there is none. */
function nextHeader(view: DataView, at: number, end: number): number {
  let i = at
  while (i < end) {
    if (!isLineEnd(view.getUint8(i))) {
      i++
      continue
    }
    i = skipLineEnd(view, i, end)
    if (i >= end || !isSpace(view.getUint8(i))) return i
  }
  return end
}

/** Of the header's name at `at`, when it is the Call-ID's; else 0. */
function nameLength(view: DataView, at: number, end: number): number {
  if ((view.getUint8(at) | LOWER) === COMPACT) {
    return at + 1 < end && !isLetter(view.getUint8(at + 1)) ? 1 : 0
  }
  if (end - at < NAME.length) return 0
  for (let i = 0; i < NAME.length; i++) if (lower(view.getUint8(at + i)) !== NAME[i]) return 0
  return NAME.length
}

/** Over spaces and tabs, and over one line end when the next line continues this one. */
function skipSpace(view: DataView, at: number, end: number): number {
  let i = skipBlanks(view, at, end)
  if (i >= end || !isLineEnd(view.getUint8(i))) return i
  i = skipLineEnd(view, i, end)
  if (i >= end || !isSpace(view.getUint8(i))) return end
  return skipBlanks(view, i, end)
}

function skipBlanks(view: DataView, at: number, end: number): number {
  let i = at
  while (i < end && isSpace(view.getUint8(i))) i++
  return i
}

/** CR, LF or CRLF. */
function skipLineEnd(view: DataView, at: number, end: number): number {
  const next = at + 1
  const two = next < end && view.getUint8(at) === CR && view.getUint8(next) === LF
  return two ? next + 1 : next
}

const isLineEnd = (octet: number): boolean => octet === CR || octet === LF
const isSpace = (octet: number): boolean => octet === SPACE || octet === TAB
const isLetter = (octet: number): boolean => (octet | LOWER) >= 0x61 && (octet | LOWER) <= 0x7a
const lower = (octet: number): number => (isLetter(octet) ? octet | LOWER : octet)
