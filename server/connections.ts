/** Connections as the API lists them, and where they come from. */
import type { FamilyName } from '../dataplane/protocol.js'

export interface ConnectionRecord {
  protocol: string
  family: FamilyName
  client: { address: string; port: number }
  virtual: { address: string; port: number }
  realServer: { address: string; port: number }
  state: string
  expiresInSeconds: number
  /** Row of the real server's statistics, 0 = none. */
  destRow: number
}
export interface ConnectionFilter {
  protocol?: string
  client?: { address: string; port?: number }
  virtual?: { address: string; port: number }
  destRow?: number
  state?: string
}
export interface ConnectionPage {
  items: ConnectionRecord[]
  /** Where to go on; null at the end. */
  nextCursor: number | null
}
export interface ConnectionSource {
  scan(cursor: number, limit: number, filter: ConnectionFilter): ConnectionPage
}
