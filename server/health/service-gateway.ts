/** The way of probes through services: the probe network, and the dataplane's part in it. */
import type { ProbeEnds } from '../../dataplane/protocol.js'
import type { Dataplane } from '../dataplane/dataplane-client.js'
import { parseAddress } from '../ip-address.js'
import type { ServiceGateway } from './health-thread.js'
import type { ProbeNetwork } from './probe-network.js'
import type { PathOrder } from './worker-messages.js'

/** The network is opened before, and closed after the engine; PROBE_INTERFACE is one of the ports. */
export function gatewayThrough(
  dataplane: Pick<Dataplane, 'call'>,
  network: ProbeNetwork,
): ServiceGateway {
  return {
    place: { path: network.path, addresses: network.addresses },
    async open(order) {
      const { protocol, address, port, forServer } = order
      const { family } = parseAddress(address)!
      const key = { family, protocol, address, port }
      await dataplane.call({ op: 'openProbe', probe: { ...endsOf(order), key, dest: forServer } })
    },
    close(order) {
      // One that the dataplane has lost already, or never had.
      dataplane.call({ op: 'closeProbe', probe: endsOf(order) }).catch(() => undefined)
    },
  }
}

const endsOf = ({ protocol, address, port, source }: PathOrder): ProbeEnds => ({
  ...{ protocol, client: source, vip: { address, port } },
})
