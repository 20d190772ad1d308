/** The settings as the control plane sends them: part of protocol.ts, types only. */

/** The knobs of IPVS (net.ipv4.vs and `ipvsadm --set`), all of them, each time. */
export interface SettingsConfig {
  expireNodestConn: boolean
  expireQuiescentTemplate: boolean
  /** 0 to 3: bit 0 reuse after TIME_WAIT and CLOSE, bit 1 also FIN_WAIT without output. */
  connReuseMode: number
  sloppyTcp: boolean
  sloppySctp: boolean
  natIcmpSend: boolean
  scheduleIcmp: boolean
  pmtuDisc: boolean
  cacheBypass: boolean
  /** Ports of FTP control connections (ip_vs_ftp's parameter `ports`), at most 8; absent: as it was. */
  ftpPorts?: number[]
  /** Expect data connections to another host that a client's PORT or EPRT names. */
  ftpForeignPort?: boolean
  /** Expect data connections at another host that a server's 227 or 229 names. */
  ftpForeignServer?: boolean
  /** Rewrite a reply that the server sends again. */
  ftpRewriteRetransmissions?: boolean
  /** `ipvsadm --set tcp tcpfin udp`, never 0 here. */
  timeouts: { tcpS: number; tcpFinS: number; udpS: number }
  // What follows is left as it is where it is left out.
  /** Seconds by state, for all states that `timeouts` does not have; those not named: default. */
  stateTimeouts?: StateTimeouts
  /** 0 off, 1 and 2 by need (the dataplane changes one to the other), 3 on. */
  dropEntry?: 0 | 1 | 2 | 3
  dropPacket?: 0 | 1 | 2 | 3
  secureTcp?: 0 | 1 | 2 | 3
  /** Pages of 4 KiB that must be available, or the modes by need act; 0: they never do. */
  amemthresh?: number
  /** Mode 3 of drop_packet drops one of so many; 0: none. */
  amDroprate?: number
  /** How long lblc and lblcr remember a destination, and lblcr a set that does not change. */
  lblcExpirationS?: number
  lblcrExpirationS?: number
  /** False stops the rate estimator: rates stand still. */
  runEstimation?: boolean
}

/** By protocol, then by state as ipvsadm lists it: `{ tcp: { SYN_RECV: 10 } }`. */
export interface StateTimeouts {
  tcp?: Record<string, number>
  udp?: Record<string, number>
  sctp?: Record<string, number>
}
