/** The middle value; the mean of the two middle ones when there is an even number of them. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The value below which that share lies, between neighbours in proportion; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]
  const above = sorted[Math.ceil(at)]
  if (below === undefined || above === undefined) return NaN
  return below + (above - below) * (at - Math.floor(at))
}

/** Each pair's quotient: neighbours in time, so that the machine's own swing cancels. */
export function quotients(own: readonly number[], peer: readonly number[]): number[] {
  return own.slice(0, peer.length).map((value, i) => value / peer[i]!)
}
