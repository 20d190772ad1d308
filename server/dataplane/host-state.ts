/**
 * What the control plane asks of the host: VIPs on interfaces and the packet guard. Declared beside
 * its consumer; `host/` implements it, tests fake it.
 */
import type {
  ForwardingName,
  MarkRuleConfig,
  ProtocolName,
  ServiceKey,
} from '../../dataplane/protocol.js'

/** A real server whose answers come back through here, so the kernel must not see them (masq). */
export interface HostDest {
  address: string
  /** 0 = any port: the service keeps the packet's own. */
  port: number
  protocol: ProtocolName
}

/** All mark rules in the order in which they are asked; one object for as long as none changes. */
export type HostMarkRules = readonly MarkRuleConfig[]

export interface HostService {
  /** Name of the virtual service, for messages. */
  name: string
  key: ServiceKey
  /** Whether the address is to be put on an interface and announced. */
  manageAddress: boolean
  /** Where the address lives; found by route when absent. */
  interface?: string
  dests: readonly HostDest[]
  /** Its data connections, on ports that only its packets tell, belong to the dataplane too. */
  ftp?: boolean
  /** Every forwarding method among its real servers: a driver may not be able to do all of them. */
  forwardings?: readonly ForwardingName[]
  /** Ends of its tunnels. */
  tunnelEnds?: readonly string[]
  /** Of a service by mark: what says which packets it takes. */
  markRules?: HostMarkRules
  /** Of a service by mark: ports of FTP control connections, where its packets go to one. */
  ftpPorts?: readonly number[]
}

/** The whole desired state. A service that has not changed is the same object as the last time. */
export type HostState = readonly HostService[]

/** An address that has just been put on an interface and is to be announced by the dataplane. */
export interface Announcement {
  address: string
  interface: string
}

/** What a change adds to the desired state and takes from it, when it leaves the rest alone. */
export interface HostChange {
  fresh: HostState
  stale: HostState
}

/**
 * Calls never overlap. All are idempotent and bring the host towards `desired` from wherever it
 * is. A rejection is shown to the client: an Error's message, or a Problem as it stands (for
 * instance INTERFACE_NOT_FOUND when the named interface does not exist).
 */
export interface HostControl {
  /** Rejects as `beforeApply` would with the same, as far as looking can tell; changes nothing. */
  examine(desired: HostState): Promise<void>
  /**
   * Adds what `desired`, the whole or a part of it, needs and is missing; removes nothing. Runs before anything is stored: when
   * it rejects, nothing is stored and `afterApply` is called with the state as it was.
   * Answers with the addresses that were added by this call.
   */
  beforeApply(desired: HostState): Promise<readonly Announcement[]>
  /** Removes what `desired` does not need. Runs once the dataplane has applied it. */
  afterApply(desired: HostState): Promise<void>
  /**
   * The same when it is known what went, so that the cost of one change is not that of the whole.
   * When it rejects, `afterApply` follows.
   */
  release(stale: HostState): Promise<void>
}
