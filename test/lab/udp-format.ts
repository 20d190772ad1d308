/** What a UDP answer of the lab starts with: the server's name, padded with zeros. */
export const NAME_OCTETS = 16

/** Order for lab/programs/udp-client.ts, given as JSON on its command line. */
export interface UdpOrder {
  address: string
  port: number
  /** Octets of each query; one query is sent for each entry. */
  sizes: number[]
  /** Queries under way at a time. */
  parallel: number
  /** How long an answer may take before the query counts as lost. */
  deadlineMs: number
}

export interface UdpReport {
  /** Answers by the server that gave them. */
  servers: Record<string, number>
  answered: number
  /** Answers that differed from the query. */
  corrupt: number
  /** No answer in time. */
  lost: number
  /** Socket errors by code: ECONNREFUSED is an ICMP port unreachable that arrived. */
  errors: Record<string, number>
}
