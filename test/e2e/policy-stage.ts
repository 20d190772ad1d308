/** Services whose real servers are what somebody reports, for tests of what follows from that. */
import { inUrl, serverAddress, VIP, type Family, type ServerName } from '../lab/cast.js'
import { HTTP_PORT, UDP_PORT } from '../lab/real-server.js'
import type { Sluice } from '../lab/sluice.js'
import { until } from '../lab/until.js'
import type { Stage } from './stage.js'

export type SluiceStage = Stage<Sluice>
export const SERVICES = '/v1/virtual-services'
const APP = { kind: 'external', initialState: 'up' }

export const python = (script: string, ...args: readonly string[]) => [
  '/usr/bin/python3',
  '-c',
  script,
  ...args,
]

export interface Shape {
  family: Family
  port: number
  policy: object
  protocol?: 'tcp' | 'udp' | 'sctp'
  scheduler?: string
  address?: string
  names?: readonly ServerName[]
  extra?: Partial<Record<ServerName, object>>
  checks?: object
}

/** Named after what it is about; its real servers are up. */
export async function put({ director }: SluiceStage, name: string, shape: Shape): Promise<string> {
  const { family, port, policy, protocol = 'tcp', names = ['a', 'b'], extra = {} } = shape
  const { scheduler = 'rr' } = shape
  const service = `${name}-${family}`
  await director.api('PUT', `${SERVICES}/${service}`, {
    ...{ protocol, address: shape.address ?? VIP[family], port, scheduler, policy },
    healthChecks: { inline: shape.checks ?? { app: APP } },
    realServers: Object.fromEntries(
      names.map(each => [
        each,
        {
          ...{ address: serverAddress(each, family), weight: 1, ...extra[each] },
          port: protocol === 'tcp' ? HTTP_PORT : UDP_PORT,
        },
      ]),
    ),
  })
  return service
}

/** Resolves once what follows is in force. */
export async function say(
  { director }: SluiceStage,
  service: string,
  states: Partial<Record<ServerName, 'up' | 'down'>>,
): Promise<void> {
  for (const [server, state] of Object.entries(states)) {
    const path = `${SERVICES}/${service}/real-servers/${server}`
    await director.api('PUT', `${path}/checks/app/state`, { state })
    await until(`${server} of ${service} ${state}`, async () => {
      const { status } = (await director.api('GET', path)) as { status: { health: object } }
      return Reflect.get(status.health, 'state') === state
    })
  }
}

export const urlOf = (family: Family, port: number, path = '/') =>
  `http://${inUrl(VIP[family])}:${port}${path}`
export const DOWN = { a: 'down', b: 'down' } as const
