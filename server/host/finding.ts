/**
 * ok: as wanted. hint: worth knowing, often intended. warning: Sluice works, something near it may
 * not. fatal: Sluice cannot work.
 */
export type Severity = 'ok' | 'hint' | 'warning' | 'fatal'

export interface Finding {
  check: string
  severity: Severity
  message: string
  /** What to type to mend it, or null when there is nothing to type. */
  remedy: string | null
}

export const fine = (check: string, message: string): Finding => ({
  check,
  severity: 'ok',
  message,
  remedy: null,
})
