/** State tables written as text, checked when they are loaded, read as one byte. */

/**
 * Packs the three directions of a state machine: the byte at
 * `(direction * events + event) * states + from` is the next state. `rows` are, for each direction
 * (input, output, input-only), one line an event with a state for each `from`.
 */
export function transitions(
  states: readonly string[],
  events: number,
  directions: readonly (readonly string[])[],
): Uint8Array {
  const packed = new Uint8Array(directions.length * events * states.length)
  let at = 0
  for (const rows of directions) {
    if (rows.length !== events) throw new RangeError(`${rows.length} events, not ${events}`)
    for (const row of rows) {
      const cells = row.trim().split(/\s+/)
      if (cells.length !== states.length) throw new RangeError(`row "${row}" has a wrong length`)
      for (const cell of cells) {
        const next = states.indexOf(cell)
        if (next < 0) throw new RangeError(`row "${row}" names an unknown state ${cell}`)
        packed[at++] = next
      }
    }
  }
  return packed
}
