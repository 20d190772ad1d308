import type {
  Connection,
  DaemonRole,
  DaemonSpec,
  DestKey,
  DestSpec,
  ListedService,
  ServiceKey,
  ServiceSpec,
  Timeouts,
} from '../../server/ipvsadm/model.js'
import type { Addition } from './additions.js'

/** What a command runs against: the appliance over REST, or an engine in a test. */
export interface Backend {
  /** Version and connection table size, for the first line of a listing. */
  info(): Promise<{ version: string; size: number }>
  addService(service: ServiceSpec): Promise<void>
  editService(service: ServiceSpec): Promise<void>
  delService(key: ServiceKey): Promise<void>
  addDest(key: ServiceKey, dest: DestSpec): Promise<void>
  editDest(key: ServiceKey, dest: DestSpec): Promise<void>
  delDest(key: ServiceKey, dest: DestKey): Promise<void>
  /**
   * All of these at once; of each the code of its refusal, or null. Null instead of all: nothing was
   * carried out, so they are to be tried one by one. A backend without it always wants that.
   */
  addAll?(lines: readonly Addition[]): Promise<readonly (string | null)[] | null>
  flush(): Promise<void>
  /** Null: all services. */
  zero(key: ServiceKey | null): Promise<void>
  /** In the order of the kernel's table. */
  services(): Promise<ListedService[]>
  service(key: ServiceKey): Promise<ListedService>
  connections(): Promise<Connection[]>
  timeouts(): Promise<Timeouts>
  /** 0 keeps a value. */
  setTimeouts(timeouts: Timeouts): Promise<void>
  /** Master before backup. */
  daemons(): Promise<DaemonSpec[]>
  startDaemon(daemon: DaemonSpec): Promise<void>
  stopDaemon(role: DaemonRole, syncId: number): Promise<void>
}

/** A refusal with the kernel's error code (errno's name); what a Backend rejects with. */
export class KernelError extends Error {
  readonly code: string

  constructor(code: string, detail = code) {
    super(detail)
    this.code = code
  }
}
