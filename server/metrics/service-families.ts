/** What is told of virtual services and real servers. Names follow node_exporter's of IPVS. */
import { Col } from '../../dataplane/shared/statistics.js'
import type { Family } from './exposition.js'

/** A column of the dataplane's statistics, told of services and of real servers. */
export interface Traffic {
  name: string
  type: 'counter' | 'gauge'
  help: string
  column: number
}

/** Rates are IPVS's own: an average that is moved every two seconds. */
export const TRAFFIC: readonly Traffic[] = [
  {
    name: 'connections',
    type: 'counter',
    help: 'Connections scheduled.',
    column: Col.conns,
  },
  {
    name: 'incoming_packets',
    type: 'counter',
    help: 'Packets from clients.',
    column: Col.inPkts,
  },
  {
    name: 'outgoing_packets',
    type: 'counter',
    help: 'Packets to clients; with masquerading alone they come by here.',
    column: Col.outPkts,
  },
  {
    name: 'incoming_bytes',
    type: 'counter',
    help: 'Octets of IP packets from clients.',
    column: Col.inBytes,
  },
  {
    name: 'outgoing_bytes',
    type: 'counter',
    help: 'Octets of IP packets to clients; with masquerading alone they come by here.',
    column: Col.outBytes,
  },
  {
    name: 'connections_per_second',
    type: 'gauge',
    help: 'Connections scheduled a second, as IPVS estimates it.',
    column: Col.cps,
  },
  {
    name: 'incoming_packets_per_second',
    type: 'gauge',
    help: 'Packets from clients a second, as IPVS estimates it.',
    column: Col.inPps,
  },
  {
    name: 'outgoing_packets_per_second',
    type: 'gauge',
    help: 'Packets to clients a second, as IPVS estimates it.',
    column: Col.outPps,
  },
  {
    name: 'incoming_bytes_per_second',
    type: 'gauge',
    help: 'Octets from clients a second, as IPVS estimates it.',
    column: Col.inBps,
  },
  {
    name: 'outgoing_bytes_per_second',
    type: 'gauge',
    help: 'Octets to clients a second, as IPVS estimates it.',
    column: Col.outBps,
  },
]

const gauge = (name: string, help: string): Family => ({ name, type: 'gauge', help })
const conns = (name: string, whose: string) => ({
  active: gauge(`${name}_active_connections`, `Connections of ${whose} in an active state.`),
  inactive: gauge(`${name}_inactive_connections`, `Connections of ${whose} in other states.`),
  persistent: gauge(
    `${name}_persistent_connections`,
    `Persistence templates of ${whose}: clients that keep coming back.`,
  ),
})

export const SERVICE_FAMILIES = {
  info: { name: 'sluice_service', type: 'info', help: 'Where a virtual service is.' } as Family,
  inForce: gauge(
    'sluice_service_in_force',
    'Whether host and dataplane have the virtual service as it is configured.',
  ),
  servers: gauge('sluice_service_real_servers', 'Real servers of a virtual service.'),
  usable: gauge(
    'sluice_service_usable_real_servers',
    'Real servers of a virtual service that take new connections: effective weight above 0.',
  ),
  ...conns('sluice_service', 'a virtual service'),
}

export const SERVER_FAMILIES = {
  info: { name: 'sluice_real_server', type: 'info', help: 'Where a real server is.' } as Family,
  ...conns('sluice_real_server', 'a real server'),
  weight: gauge('sluice_real_server_weight', 'The configured weight.'),
  effectiveWeight: gauge(
    'sluice_real_server_effective_weight',
    'The weight that schedulers see: the configured one less what state, health and drain take.',
  ),
  overloaded: gauge(
    'sluice_real_server_overloaded',
    'Whether the upper threshold of connections keeps new ones away.',
  ),
  health: gauge(
    'sluice_real_server_health',
    '1 for the state that the health checks have found; absent where nothing is checked.',
  ),
  healthSince: gauge(
    'sluice_real_server_health_since_timestamp_seconds',
    'When the health came into its state.',
  ),
  drain: gauge(
    'sluice_real_server_draining',
    '1 while a drain runs, 0 after its deadline; absent where there is none.',
  ),
  drainDeadline: gauge(
    'sluice_real_server_drain_deadline_timestamp_seconds',
    'The deadline of a drain.',
  ),
}
