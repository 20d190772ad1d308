/**
 * The private messages between the control plane and the dataplane worker: types only, plain data,
 * text addresses. Both sides ship together, so there is no version in it.
 */
import type { CounterName } from './counters.js'
import type { RampConfig } from './ramp-config.js'
import type { SettingsConfig } from './settings-config.js'

export type { SettingsConfig, StateTimeouts } from './settings-config.js'

export type FamilyName = 'ipv4' | 'ipv6'
export type ProtocolName = 'tcp' | 'udp' | 'sctp'
export type ForwardingName = 'masq' | 'dr' | 'tunnel' | 'local'
export type SchedulerName =
  | 'rr'
  | 'wrr'
  | 'lc'
  | 'wlc'
  | 'lblc'
  | 'lblcr'
  | 'dh'
  | 'sh'
  | 'sed'
  | 'nq'
  | 'fo'
  | 'ovf'
  | 'mh'
  | 'twos'

/** What makes a virtual service unique: ipvsadm's -t/-u/--sctp-service, or -f. */
export type ServiceKey =
  | { family: FamilyName; protocol: ProtocolName; address: string; port: number }
  | { family: FamilyName; fwmark: number }

export interface ServiceConfig {
  key: ServiceKey
  scheduler: SchedulerName
  /** ipvsadm's -b names: sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3. */
  schedulerFlags: string[]
  persistence: { timeoutS: number; netmask: string | number; engine?: 'sip' } | null
  /** One without persistence: kept, and asked only about what real servers begin. */
  persistenceEngine?: 'sip'
  onePacket: boolean
  /** Nobody is to get new connections: clients are told at once, by a reset where there is one. */
  refuses?: boolean
}

export interface DestKey {
  address: string
  port: number
}

export interface DestConfig extends DestKey {
  /** The effective weight: what the control plane derived from configuration, state and health. */
  weight: number
  forwarding: ForwardingName
  tunnel: {
    type: 'ipip' | 'gue' | 'gre'
    port: number
    checksum: 'none' | 'checksum' | 'remote'
  } | null
  upperThreshold: number
  lowerThreshold: number
  ramp?: RampConfig
}

/** Rows in the statistics memory (shared/statistics.ts); they outlive the worker. */
export interface ServiceRows {
  row: number
  dests: { address: string; port: number; row: number }[]
}

export interface RestoredService {
  service: ServiceConfig
  row: number | null
  dests: { dest: DestConfig; row: number | null }[]
}

/** Which packets carry which mark; the first rule that matches decides. */
export interface MarkRuleConfig {
  mark: number
  family: FamilyName
  /** IP protocol number. */
  protocol: number | null
  /** CIDR. */
  source: string | null
  destination: string | null
  /** Inclusive. */
  sourcePorts: { first: number; last: number }[] | null
  destinationPorts: { first: number; last: number }[] | null
  /** Name of the interface it came in by. */
  interface: string | null
}

/** An endpoint whose packets the packet guard keeps from the host. */
export interface GuardedEndpoint {
  role: 'vip' | 'real'
  address: string
  protocol: ProtocolName
  port: number
  /** Also asked: whether it still is guarded as FTP's, with its data connections. */
  ftp?: boolean
}

export type Op =
  | { op: 'addService'; service: ServiceConfig; row?: number }
  | { op: 'editService'; service: ServiceConfig }
  | { op: 'delService'; key: ServiceKey }
  | { op: 'addDest'; key: ServiceKey; dest: DestConfig; row?: number }
  | { op: 'editDest'; key: ServiceKey; dest: DestConfig }
  | { op: 'delDest'; key: ServiceKey; dest: DestKey }
  /** All real servers of a service, newest first: the order in which schedulers walk them. */
  | { op: 'orderDests'; key: ServiceKey; dests: DestKey[] }
  /** Checked whole, then applied between two breaths; all or nothing. */
  | { op: 'batch'; ops: Op[] }
  /** The beginning of the next batch, which is too long for one message. Not answered. */
  | { op: 'stage'; ops: Op[] }
  /** The whole desired state, for a new worker. Connections in shared memory are kept. */
  | {
      op: 'restore'
      services: RestoredService[]
      settings?: SettingsConfig
      markRules?: MarkRuleConfig[]
    }
  | { op: 'rows' }
  | { op: 'flush' }
  | { op: 'zero'; key: ServiceKey | null }
  | { op: 'setSettings'; settings: SettingsConfig }
  /** All rules, in order. */
  | { op: 'setMarkRules'; rules: MarkRuleConfig[] }
  /** Which of these the dataplane still handles, because connections outlive what made them. */
  | { op: 'guarded'; endpoints: GuardedEndpoint[] }
  /** Gratuitous ARP or unsolicited NA for an address that has just been put on that interface. */
  | { op: 'announce'; address: string; interface: string }
  /** Begins to end connections, a few in each turn; `job` is the caller's name for it. */
  | { op: 'startKill'; job: number; kill: KillRequest }
  /** How far that is. */
  | { op: 'killProgress'; job: number }
  /** What would become of a packet. Changes nothing. */
  | { op: 'simulate'; simulation: SimulationRequest }
  /** A connection for one run of a health check through the service, made before it connects. */
  | { op: 'openProbe'; probe: ProbeConfig }
  | { op: 'closeProbe'; probe: ProbeEnds }
  | { op: 'ping' }
  | { op: 'stop' }

/** What each op answers with. Rows tell the control plane where statistics stand. */
export interface Results {
  addService: { row: number }
  editService: { row: number }
  delService: null
  addDest: { row: number }
  editDest: { row: number }
  delDest: null
  orderDests: null
  /** For each op its row of statistics, 0 where it has none. */
  batch: { rows: Int32Array }
  stage: null
  restore: { services: ServiceRows[]; adoptedConns: number }
  rows: { services: { key: ServiceKey; rows: ServiceRows }[] }
  flush: null
  zero: null
  setSettings: null
  setMarkRules: null
  guarded: { held: boolean[] }
  announce: null
  startKill: null
  killProgress: KillProgress
  simulate: Simulation
  openProbe: null
  closeProbe: null
  ping: { nowMs: number }
  stop: null
}

export interface ProbeEnds {
  protocol: ProtocolName
  /** Its port is used by one probe at a time. */
  client: TextEndpoint
  vip: TextEndpoint
}

/** How a real server is reached. */
export type Way = Pick<DestConfig, 'address' | 'port' | 'forwarding' | 'tunnel'>

export interface ProbeConfig extends ProbeEnds {
  key: ServiceKey
  /** Where its packets go, and how, whatever the weight; also when the service is without it now. */
  dest: Way
}

/** All that is given must hold. */
export interface KillFilter {
  service?: ServiceKey
  /** One of that service's configured real servers. */
  server?: DestKey
  /** What connections go to, whether it still is configured or not. A prefix, too. */
  realServer?: { address: string; port?: number }
  client?: { address: string; port?: number }
  state?: string
  protocol?: ProtocolName | 'ip'
  template?: boolean
}

export interface KillRequest {
  filter: KillFilter
  /** Tells both ends: TCP reset, SCTP ABORT. Else the connection is only forgotten. */
  reset: boolean
  /** Only counts. */
  dryRun: boolean
}

export interface KillProgress {
  /** False: never heard of it, as after a restart of the worker. */
  known: boolean
  done: boolean
  connections: number
  templates: number
}

export interface TextEndpoint {
  address: string
  port: number
}

export interface SimulationRequest {
  packet:
    | { hex: string }
    | {
        protocol: ProtocolName
        client: TextEndpoint
        virtual: TextEndpoint
        /** Letters of FSRPAUEC; SYN by default. */
        tcpFlags?: string
      }
  /** Port that it comes in by; where the client is, by default. */
  interface?: string
  /** In place of what the mark rules give it. */
  mark?: number
}

/** One line of text, and the octets from the IP header on. */
export interface SimulatedPacket {
  text: string
  hex: string
}

export interface SimulatedConnection {
  /** `replaced`: there was one, whose place a new one takes (reuse, or its server is gone). */
  status: 'existing' | 'new' | 'replaced'
  protocol: string
  client: TextEndpoint
  virtual: TextEndpoint
  realServer: TextEndpoint
  forwarding: string
  stateBefore: string | null
  /** Null when the packet ends it. */
  stateAfter: string | null
  /** As it stands before the packet; for a new one afterwards. */
  expiresInSeconds: number
}

export type PassedOver =
  /** Deleted; it only has connections left. */
  | 'notAvailable'
  | 'weightZero'
  | 'overloaded'
  /** Warming up; it has had its share for now. */
  | 'slowStart'
  /** Usable, but the scheduler chose another. */
  | 'notChosen'
  /** The scheduler was not asked, for what `decidedBy` says or because nothing is scheduled. */
  | 'notAsked'

export interface SimulatedServer extends TextEndpoint {
  row: number
  forwarding: ForwardingName
  weight: number
  activeConns: number
  inactConns: number
  persistConns: number
  upperThreshold: number
  lowerThreshold: number
  overloaded: boolean
  chosen: boolean
  /** Null for the one that gets the packet. */
  passedOver: PassedOver | null
}

export interface Simulation {
  packet: SimulatedPacket & { interface: string }
  /** `rule`: position of the rule that gives it, null without one. Unused marks mean nothing. */
  mark: { value: number; rule: number | null; used: boolean }
  service: {
    row: number
    key: ServiceKey
    lookup: 'mark' | 'exact' | 'ftp' | 'anyPort'
    scheduler: SchedulerName
    /** Whether the scheduler draws lots: the next packet may get another answer. */
    random: boolean
  } | null
  direction: 'in' | 'out' | 'none'
  connection: SimulatedConnection | null
  template: Omit<SimulatedConnection, 'stateBefore' | 'stateAfter'> | null
  /** Newest first, as the scheduler sees them. */
  realServers: SimulatedServer[]
  decidedBy: 'connection' | 'template' | 'scheduler' | 'realServer' | null
  ttl: { value: number; outcome: 'enough' | 'expired' | 'notChecked' } | null
  mtu: {
    octets: number
    /** What the way to the real server carries of this packet; null without limit. */
    limitOctets: number | null
    outcome: 'fits' | 'fragmented' | 'tooBig' | 'notChecked'
  } | null
  nextHop: {
    towards: string
    kind: 'ethernet' | 'kernel' | 'local' | 'unreachable'
    interface: string | null
    macAddress: string | null
  } | null
  /** What leaves, in order; `interface` is null for what the host's kernel is given. */
  sent: (SimulatedPacket & {
    interface: string | null
    srcMac: string | null
    dstMac: string | null
  })[]
  /** Whose it is, when another worker's. */
  worker?: number
  verdict: 'forwarded' | 'answered' | 'held' | 'dropped' | 'host'
  /** The counter that says why. */
  counter: CounterName | null
  counters: Partial<Counters>
}

export type Request = { id: number } & Op

/** Codes are the kernel's own: what ipvsadm would have been told. */
export type OpErrorCode =
  'EEXIST' | 'ENOENT' | 'ESRCH' | 'EINVAL' | 'ERANGE' | 'ENOSPC' | 'EOPNOTSUPP' | 'ENODEV' | 'EIO'

export type Reply =
  | { id: number; ok: true; result: unknown }
  | { id: number; ok: false; code: OpErrorCode; detail: string }

export interface PortInfo {
  name: string
  ifIndex: number
  mac: string
  mtuOctets: number
}

/** Unsolicited, worker to main. */
export type Event =
  /** It takes packets in from now on, but handles them only after `restore`. */
  | { event: 'ready'; ports: PortInfo[]; wakeDescriptor: number }
  | { event: 'fault'; detail: string; fatal: boolean }
  | { event: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; message: string; fields?: object }

/** Passed as `workerData`. */
export interface WorkerConfig {
  driver: 'packet-ring' | 'raw-socket' | 'loopback'
  interfaces: string[]
  memory: SharedMemory
  /** Main's end is in ControlClient; the worker reads its end without its event loop. */
  control: import('node:worker_threads').MessagePort
  /** Only for the raw-socket driver: packets between main thread and worker. */
  packetQueues?: { toWorker: SharedArrayBuffer; fromWorker: SharedArrayBuffer }
  crew?: CrewConfig
  /** How long the loop polls for the next packet at the most before it sleeps (pace.ts). */
  busyPollUs?: number
}

/** What several workers share: `memories` of all, `queues[from][to]`; `index` is this one. */
export interface CrewConfig {
  index: number
  memories: SharedMemory[]
  queues: (SharedArrayBuffer | null)[][]
}

/** Everything that outlives a worker. Allocated once by the main thread. */
export interface SharedMemory {
  /** Connection records (shared/conn-record.ts). */
  conns: SharedArrayBuffer
  /** What helpers keep of connections (shared/app-record.ts). */
  apps: SharedArrayBuffer
  /** What persistence engines know their templates by (shared/pe-record.ts). */
  engineData: SharedArrayBuffer
  /** Float64 per counter, in the order of COUNTER_NAMES. */
  counters: SharedArrayBuffer
  totals: SharedArrayBuffer
  services: SharedArrayBuffer
  dests: SharedArrayBuffer
  /** Int32 flags between the threads (shared/memory.ts). */
  control: SharedArrayBuffer
  /** How the loop spends its time (shared/loop-record.ts). */
  loop: SharedArrayBuffer
}

export type Counters = Record<CounterName, number>
