/** Tells of each packet of a capture what the engine decided, in the words of the configuration. */
import type { Dest } from '../../dataplane/ipvs/dest.js'
import {
  PacketObserver,
  reasonsOf,
  type Observed,
  type SeenConn,
} from '../../dataplane/ipvs/observer.js'
import type { Packet } from '../../dataplane/packet.js'
import { FWD_MASK } from '../../dataplane/shared/conn-record.js'
import * as address from '../../dataplane/wire/address.js'
import { endpointOf } from '../../server/documents/service-key.js'
import type { ConnectionView, Decision, ServerView } from './decision.js'
import type { Directory } from './directory.js'
import { FragmentPorts } from './fragment-ports.js'
import type { Stage } from './stage.js'

export class Observer {
  readonly #observer: PacketObserver
  readonly #directory: Directory
  /** Of the last packet that reached the engine. */
  #decision: Decision | null = null

  constructor({ ipvs }: Pick<Stage, 'ipvs'>, directory: Directory) {
    const fragments = new FragmentPorts()
    const completeFragment = (pkt: Packet) => fragments.complete(pkt)
    this.#observer = new PacketObserver({ ipvs, completeFragment })
    this.#directory = directory
  }

  /** Whether the last packet was a fragment. */
  get wasFragment(): boolean {
    return this.#observer.wasFragment
  }

  /** Called for every frame, before the driver gets it: it may refuse it and count that. */
  begin(): void {
    this.#observer.begin()
    this.#decision = null
  }

  before(original: Packet): void {
    this.#observer.before(original)
  }

  after(): void {
    const observed = this.#observer.after()
    const { direction, verdict, reasons, counters, mark, scheduled, dest } = observed
    const owner = dest === undefined ? null : this.#directory.owner(dest.row)
    const service = owner?.service ?? this.#directory.service(observed.service?.row ?? 0)
    const seen = observed.after ?? observed.before
    this.#decision = {
      ...{ direction, verdict, reasons, counters, mark, service, scheduled },
      server: dest === undefined || owner === null ? null : serverView(owner.name, dest, seen),
      connection: connectionView(observed),
    }
  }

  /** What became of the frame given after `begin`. */
  end(): Decision {
    if (this.#decision !== null) return this.#decision
    // The driver refused it, as a port would have done.
    const counters = this.#observer.moved()
    const reasons = reasonsOf(counters)
    const nothing = { mark: 0, service: null, server: null, connection: null, scheduled: false }
    return { direction: 'none', verdict: 'dropped', reasons, counters, ...nothing }
  }
}

function connectionView({ before, after, isNew, template }: Observed): ConnectionView | null {
  const record = after?.record ?? before?.record ?? null
  if (record === null) return null
  const { protocol, client, virtual, realServer, forwarding, expiresInSeconds } = record
  return {
    isNew,
    template:
      template === null
        ? null
        : {
            isNew: template.isNew,
            client: template.record.client.address,
            expiresInSeconds: template.record.expiresInSeconds,
          },
    ...{ protocol, forwarding, expiresInSeconds },
    client: endpointOf(client),
    virtual: endpointOf(virtual),
    realServer: endpointOf(realServer),
    stateBefore: isNew ? null : (before?.record?.state ?? null),
    stateAfter: after?.record?.state ?? null,
  }
}

function serverView(name: string, dest: Dest, seen: SeenConn | null): ServerView {
  const { weight, activeConns, inactConns } = dest
  const { endpoint, forwarding } = nameOf(dest)
  const used = seen?.record?.forwarding ?? forwarding
  return { name, endpoint, forwarding: used, weight, activeConns, inactConns }
}

const METHODS = ['masq', 'local', 'tunnel', 'dr', 'bypass']

function nameOf(dest: Dest): { endpoint: string; forwarding: string } {
  const { family, w0, w1, w2, w3, port } = dest
  const text = address.format(family, w0, w1, w2, w3)
  const forwarding = METHODS[dest.connFlags & FWD_MASK]!
  return { endpoint: endpointOf({ address: text, port }), forwarding }
}
