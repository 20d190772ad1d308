/** What ipvsadm talks about: services, real servers, connections and daemons, as the kernel has them. */

export type Family = 4 | 6
export type Protocol = 'tcp' | 'udp' | 'sctp'
export type Forwarding = 'masq' | 'local' | 'tunnel' | 'dr' | 'bypass'
export type TunnelType = 'ipip' | 'gue' | 'gre'
export type TunnelChecksum = 'none' | 'checksum' | 'remote'

/** `-t`, `-u`, `--sctp-service`, or `-f` when `fwmark` is not 0: address '', port 0, protocol tcp. */
export interface ServiceKey {
  family: Family
  protocol: Protocol
  /** Canonical text. */
  address: string
  port: number
  fwmark: number
}

/** Bits of `schedulerFlags`; their names depend on the scheduler. */
export const SCHEDULER_FLAG_1 = 1
export const SCHEDULER_FLAG_2 = 2
export const SCHEDULER_FLAG_3 = 4

export interface ServiceSpec {
  key: ServiceKey
  scheduler: string
  schedulerFlags: number
  /** Null without `-p`. A mask as text for IPv4, a prefix length for IPv6. */
  persistence: { timeoutS: number; netmask: string | number } | null
  /** Persistence engine, '' for none. */
  engine: string
  onePacket: boolean
}

export interface DestKey {
  family: Family
  address: string
  port: number
}

export interface DestSpec extends DestKey {
  forwarding: Forwarding
  weight: number
  upperThreshold: number
  lowerThreshold: number
  tunnel: { type: TunnelType; port: number; checksum: TunnelChecksum }
}

export interface Statistics {
  conns: number
  inPkts: number
  outPkts: number
  inBytes: number
  outBytes: number
  cps: number
  inPps: number
  outPps: number
  inBps: number
  outBps: number
}

export interface ListedDest extends DestSpec {
  activeConns: number
  inactConns: number
  persistConns: number
  statistics: Statistics
}

export interface ListedService extends ServiceSpec {
  statistics: Statistics
  /** As the kernel lists them: newest first. */
  dests: ListedDest[]
}

export interface Endpoint {
  family: Family
  address: string
  port: number
}

export interface Connection {
  /** As /proc/net/ip_vs_conn prints it: TCP, UDP, SCTP, or IP for a template of a fwmark. */
  protocol: string
  expiresS: number
  state: string
  client: Endpoint
  virtual: Endpoint
  dest: Endpoint
  engine?: { name: string; data: string }
}

export interface Timeouts {
  tcpS: number
  tcpFinS: number
  udpS: number
}

export type DaemonRole = 'master' | 'backup'

/** 0 and '' stand for what was not given. */
export interface DaemonSpec {
  role: DaemonRole
  interface: string
  syncId: number
  maxLength: number
  group: string
  port: number
  ttl: number
}
