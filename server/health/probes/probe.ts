/** What a kind of check has to be able to do. */
import type { CheckKind, KindFields } from '../check-spec.js'
import type { Run } from '../run.js'

export type FieldsOf<K extends CheckKind> = Extract<KindFields, { kind: K }>

/**
 * Starts the probe and returns at once; ends the run by `succeed` or `fail`, and closes what it
 * opened with `run.onEnd`. Throws never; operating errors are failures.
 */
export type Probe<K extends CheckKind> = (check: FieldsOf<K>, run: Run) => void

/** `192.0.2.1:80`, `[2001:db8::1]:80`. */
export const endpointText = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
