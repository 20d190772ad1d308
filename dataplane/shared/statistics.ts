/**
 * Rows of statistics in shared memory. One writer (the worker), any reader. Row 0 of `services`
 * and `dests` is never given out, so that 0 can mean "none" in a connection record.
 */
export const COLUMNS = [
  'conns',
  'inPkts',
  'outPkts',
  'inBytes',
  'outBytes',
  'cps',
  'inPps',
  'outPps',
  'inBps',
  'outBps',
  'activeConns',
  'inactConns',
  'persistConns',
  'overloaded',
  'held',
  // Of a real server: what `mh` goes by, for whoever wants to foresee its table.
  'lastWeight',
] as const

export type Column = (typeof COLUMNS)[number]

/** Offset of each column in a row, e.g. `stats[row * STRIDE + Col.inPkts]`. */
export const Col = Object.fromEntries(COLUMNS.map((name, i) => [name, i])) as {
  readonly [K in Column]: number
}
export const STRIDE = COLUMNS.length

export interface Statistics {
  conns: number
  inPkts: number
  outPkts: number
  inBytes: number
  outBytes: number
  cps: number
  inPps: number
  outPps: number
  inBps: number
  outBps: number
}

/** One column of a row, over the memories of all workers. */
export function sumOf(memories: readonly Float64Array[], row: number, column: number): number {
  let sum = 0
  for (const memory of memories) sum += memory[row * STRIDE + column]!
  return sum
}

/** As `readRow`, over the memories of all workers. */
export function readRows(memories: readonly Float64Array[], row: number): Statistics {
  const [first, ...others] = memories.map(memory => readRow(memory, row))
  const sum = first!
  for (const other of others)
    for (const name of Object.keys(sum) as (keyof Statistics)[]) sum[name] += other[name]
  return sum
}

/** Reads one row's ten public columns. */
export function readRow(memory: Float64Array, row: number): Statistics {
  const at = row * STRIDE
  const column = (i: number) => memory[at + i]!
  return {
    conns: column(Col.conns),
    inPkts: column(Col.inPkts),
    outPkts: column(Col.outPkts),
    inBytes: column(Col.inBytes),
    outBytes: column(Col.outBytes),
    cps: column(Col.cps),
    inPps: column(Col.inPps),
    outPps: column(Col.outPps),
    inBps: column(Col.inBps),
    outBps: column(Col.outBps),
  }
}
