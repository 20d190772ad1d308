/** What every bench is told on the command line. */
export interface BenchOptions {
  /** How often each contender takes its turn. */
  rounds: number
  /** How long one measurement lasts. */
  seconds: number
  /** When the bench began, by `performance.now`. */
  beganMs: number
  /** A smoke run: everything happens, briefly, and no result is kept. */
  quick: boolean
  /** Contenders to leave out, e.g. while one is not installed. */
  without: string[]
  /** Further arguments for `sluice serve`. */
  serveArgs: string[]
}

/** Those that take part. */
export const taking = <T extends { name: string }>(
  contenders: readonly T[],
  { without }: BenchOptions,
): T[] => contenders.filter(({ name }) => !without.some(word => name.toLowerCase().includes(word)))
