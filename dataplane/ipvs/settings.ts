/** 0 off; 1 by need, waiting; 2 by need, acting: it sets itself; 3 on (net.ipv4.vs). */
export type DefenceMode = 0 | 1 | 2 | 3

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
  /** Entries of the table are dropped at random: 0 never, 1 and 2 by need, 3 always. */
  dropEntry: DefenceMode
  /** One of so many packets that would make a connection is dropped. */
  dropPacket: DefenceMode
  /** TCP believes a client only when the server's answer was seen. */
  secureTcp: DefenceMode
  /** Pages of 4 KiB: with less available, modes 1 and 2 act (defence.ts). */
  amemthresh: number
  /** One of how many packets drop_packet drops in mode 3. */
  amDroprate: number
  /** How long lblc and lblcr remember a destination, and lblcr a set that does not change. */
  lblcExpirationS: number
  lblcrExpirationS: number
  /** Off: rates stand still. */
  runEstimation: boolean
  /** TCP ports of FTP control connections. */
  ftpPorts: number[]
  /**
   * Off: a data connection that PORT or EPRT asks for goes to the client itself, or nowhere. On, as
   * in the kernel: to any host that the client names (the FTP bounce attack, RFC 2577).
   */
  ftpForeignPort: boolean
  /**
   * Off: a data connection announced by 227 or 229 goes to the same real server, or nowhere. On, as
   * in the kernel: to any host that the server names.
   */
  ftpForeignServer: boolean
  /** Off, as in the kernel: a reply that the server sends again passes with its private address. */
  ftpRewriteRetransmissions: boolean
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
  dropEntry: 0,
  dropPacket: 0,
  secureTcp: 0,
  amemthresh: 1024,
  amDroprate: 10,
  lblcExpirationS: 86_400,
  lblcrExpirationS: 86_400,
  runEstimation: true,
  ftpPorts: [21],
  ftpForeignPort: false,
  ftpForeignServer: false,
  ftpRewriteRetransmissions: true,
  icmpRateLimitMs: 1000,
})
