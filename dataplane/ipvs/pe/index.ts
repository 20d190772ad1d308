/** The persistence engines by name. */
import type { PersistenceEngine } from './engine.js'
import { Sip } from './sip.js'

const sip = new Sip()

/** Null for a service without one. */
export function engineOf(name: string): PersistenceEngine | null {
  return name === sip.name ? sip : null
}
