/** Slow start of a real server, as it is told to the dataplane (ipvs/newcomers.ts). */
export interface RampConfig {
  /** What tells a ramp that is going on from a new one. */
  startedAt: string
  /** How long ago that is, when this is sent. */
  ageMs: number
  durationMs: number
  /** 0 to 1: what part of its share it begins with. */
  startShare: number
}
