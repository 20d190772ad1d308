/** The knobs of /proc/sys/net/ipv4/vs that mean something in user space, with IPVS's defaults. */
export interface Settings {
  /** 1: a packet for a deleted real server is scheduled anew instead of dropped. */
  expireNodestConn: boolean
  /** 1: a persistence template whose real server has weight 0 is given up. */
  expireQuiescentTemplate: boolean
  /** 0 off, 1 reuse after TIME_WAIT or CLOSE, bit 1 also FIN_WAIT without output. */
  connReuseMode: number
  sloppyTcp: boolean
  sloppySctp: boolean
  /** Real servers' packets without a connection draw a port unreachable. */
  natIcmpSend: boolean
  scheduleIcmp: boolean
  pmtuDisc: boolean
  cacheBypass: boolean
  secureTcp: boolean
  /** Drop one of this many packets that would create a connection; 0 = none. */
  dropPacketRate: number
  /** net.ipv4.icmp_ratelimit in milliseconds; 0 = unlimited. */
  icmpRateLimitMs: number
}

export const defaultSettings = (): Settings => ({
  expireNodestConn: false,
  expireQuiescentTemplate: false,
  connReuseMode: 1,
  sloppyTcp: false,
  sloppySctp: false,
  natIcmpSend: false,
  scheduleIcmp: false,
  pmtuDisc: true,
  cacheBypass: false,
  secureTcp: false,
  dropPacketRate: 0,
  icmpRateLimitMs: 1000,
})
