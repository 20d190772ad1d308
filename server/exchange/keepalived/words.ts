/** Characters of keepalived.conf: comments, quotes, words, braces. */

export interface Word {
  text: string
  /** Offset in the line, from 0. */
  at: number
}

/**
 * A line without its comment, `!` or `#` outside double quotes to the end of the line, and without
 * blanks at both ends. `\!` and `\#` begin no comment. Offsets count from `at`.
 */
export function withoutComment(raw: string): { text: string; at: number } {
  let quoted = false
  let end = raw.length
  for (let i = 0; i < raw.length; i++) {
    const c = raw[i]
    if (c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if (!quoted && (c === '!' || c === '#')) {
      end = i
      break
    }
  }
  const text = raw.slice(0, end).trimEnd()
  const at = text.length - text.trimStart().length
  return { text: text.slice(at), at }
}

/** Words between blanks; quotes group and go, a backslash within them stands for what follows. */
export function wordsOf(text: string): Word[] {
  const words: Word[] = []
  let i = 0
  while (i < text.length) {
    if (isBlank(text[i]!)) {
      i++
      continue
    }
    const at = i
    let word = ''
    let quote = ''
    for (; i < text.length && (quote !== '' || !isBlank(text[i]!)); i++) {
      const c = text[i]!
      if (c === quote) quote = ''
      else if (quote === '' && (c === '"' || c === "'")) quote = c
      else if (quote !== '' && c === '\\' && i + 1 < text.length) word += text[++i]!
      else word += c
    }
    words.push({ text: word, at })
  }
  return words
}

/** Statements and braces of a line, in order; braces within double quotes are text. */
export function piecesOf(text: string): Word[] {
  const pieces: Word[] = []
  let quoted = false
  let from = 0
  const take = (end: number) => {
    const piece = text.slice(from, end)
    const at = from + piece.length - piece.trimStart().length
    if (piece.trim() !== '') pieces.push({ text: piece.trim(), at })
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '"') quoted = !quoted
    if (quoted || (c !== '{' && c !== '}')) continue
    const close = c === '{' && text[i - 1] === '$' ? text.indexOf('}', i) : -1
    if (close > 0) {
      // An undefined `${NAME}` stays as it is written.
      i = close
      continue
    }
    take(i)
    pieces.push({ text: c, at: i })
    from = i + 1
  }
  take(text.length)
  return pieces
}

const isBlank = (c: string): boolean =>
  c === ' ' || c === '\t' || c === '\r' || c === '\f' || c === '\v'
