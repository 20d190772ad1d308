/** `~SEQ(…)` and `~LST(…)` of keepalived.conf: the rest of their line, once for each value. */

export interface Sequence {
  /** Names that are set in each round. */
  names: string[]
  /** Values by round, one a name. */
  rounds: Iterable<string[]>
  /** What is repeated. */
  body: string
}

const NAME = /^[A-Za-z_]\w*$/

/** Null when it is not well formed. */
export function readSequence(text: string): Sequence | null {
  const head = /^~(SEQx?|LST)\s*\(([^)]*)\)\s*(.*)$/s.exec(text)
  if (head === null) return null
  const [, kind, inner, body] = head
  const read = kind === 'LST' ? readList(inner!) : readRange(inner!, kind === 'SEQx')
  return read === null ? null : { ...read, body: body! }
}

/** Numbers are decimal, or hexadecimal with 0x. */
function readRange(inner: string, isHex: boolean): Omit<Sequence, 'body'> | null {
  const [name = '', ...texts] = inner.split(',').map(word => word.trim())
  if (!NAME.test(name) || texts.length < 1 || texts.length > 3) return null
  if (!texts.every(text => /^[+-]?(\d{1,9}|0[xX][0-9a-fA-F]{1,8})$/.test(text))) return null
  const numbers = texts.map(numberOf)
  const end = numbers.at(-1)!
  const start = numbers.length === 1 ? (end < 0 ? -1 : 1) : numbers[0]!
  const step = numbers.length === 3 ? numbers[1]! : end < start ? -1 : 1
  if (step === 0 || (end - start) * step < 0) return null
  return { names: [name], rounds: range(start, step, end, isHex) }
}

function numberOf(text: string): number {
  const digits = text.replace(/^[+-]/, '')
  return text.startsWith('-') ? -Number(digits) : Number(digits)
}

function* range(start: number, step: number, end: number, isHex: boolean): Generator<string[]> {
  for (let n = start; step > 0 ? n <= end : n >= end; n += step)
    yield [isHex ? (n < 0 ? n + 2 ** 32 : n).toString(16) : String(n)]
}

function readList(inner: string): Omit<Sequence, 'body'> | null {
  const items = [...inner.matchAll(/\s*(?:\{([^{}]*)\}|([^,{}]*))\s*(?:,|$)/g)]
    .map(([, group, single]) => (group ?? single ?? '').trim())
    .filter((item, i, all) => item !== '' || i < all.length - 1)
  const [head, ...values] = items.map(item => item.split(',').map(word => word.trim()))
  if (head === undefined || values.length === 0 || !head.every(name => NAME.test(name))) return null
  return values.every(each => each.length === head.length) ? { names: head, rounds: values } : null
}
