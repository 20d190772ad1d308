/** What became of a packet: the kernel's NF_ACCEPT, NF_DROP and NF_STOLEN. */
export const Verdict = {
  /** Not ours: the host's own copy goes on, or where the guard hides it, we answer as the host. */
  accept: 0,
  /** Dropped; the reason has been counted where it was found. */
  drop: 1,
  /** Forwarded, answered or kept. */
  stolen: 2,
  /** For this host's own stack: a local real server, whatever the guard hides. */
  local: 3,
} as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]
