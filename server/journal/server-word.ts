/** The status of a real server as far as its configuration alone tells it. */
export type ConfiguredWord = 'NO_MONITOR' | 'DRAINING' | 'OFFLINE'

export function serverWord({
  adminState,
  weight,
}: {
  adminState?: string
  weight?: number
}): ConfiguredWord {
  if (adminState === 'disabled') return 'OFFLINE'
  return adminState === 'draining' || weight === 0 ? 'DRAINING' : 'NO_MONITOR'
}
