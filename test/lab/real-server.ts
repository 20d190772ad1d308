import type { ServerName } from './cast.js'
import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'
import { program } from './root.js'

/** Ports that every real server serves. */
export const HTTP_PORT = 8080
export const HTTP_PORT_2 = 80
export const UDP_PORT = 5353
/** Takes datagrams and answers none. */
export const SINK_PORT = 9
export const IPERF_PORT = 5201

export interface RealServer {
  name: ServerName
  host: Namespace
  http: LabProcess
  udp: LabProcess
}

const ENV = { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' }

/** Starts a real server's programs; they accept on return. */
export async function startServer(name: ServerName, host: Namespace): Promise<RealServer> {
  const [http, udp] = await Promise.all([startHttp(name, host), startUdp(name, host)])
  return { name, host, http, udp }
}

export async function startHttp(name: ServerName, host: Namespace): Promise<LabProcess> {
  const ports = [String(HTTP_PORT), String(HTTP_PORT_2)]
  const command = [process.execPath, program('http-server'), name, ...ports]
  const http = host.start(command, { env: ENV })
  await http.waitFor(/ready/)
  return http
}

async function startUdp(name: ServerName, host: Namespace): Promise<LabProcess> {
  const ports = [String(UDP_PORT), String(SINK_PORT)]
  const udp = host.start([process.execPath, program('udp-server'), name, ...ports], { env: ENV })
  await udp.waitFor(/ready/)
  return udp
}

/** Starts them all, each in its own host. */
export async function startServers(
  hosts: ReadonlyMap<ServerName, Namespace>,
): Promise<Map<ServerName, RealServer>> {
  const started = await Promise.all([...hosts].map(([name, host]) => startServer(name, host)))
  return new Map(started.map(server => [server.name, server]))
}
