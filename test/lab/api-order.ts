/** Order for lab/programs/api-caller.ts: a file of JSON. */
export interface ApiOrder {
  /** `http://host:port` */
  api: string
  calls: readonly ApiCall[]
  /** Connections, each with every so-manieth call; one when absent. */
  clients?: number
  /** The calls again and again until that many seconds have passed; once when absent. */
  seconds?: number
  /** Breath between two calls. */
  pauseMs?: number
  /** Calls of all connections together; who is late catches up. As fast as they can when absent. */
  perSecond?: number
  /** Follows `nextCursor` of every answer to its end. */
  pages?: boolean
  /** What kind of answer is asked for; of lines (application/x-ndjson) each counts as an item. */
  accept?: string
}

export interface ApiCall {
  method: string
  path: string
  /** Sent as JSON, or as it is when `type` says what kind of text it is. */
  body?: unknown
  type?: string
}

export interface ApiReport {
  /** How long each call took. */
  ms: number[]
  /** Members of all `items`. */
  items: number
  elapsedS: number
}
