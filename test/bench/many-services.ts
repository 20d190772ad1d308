import { randomUUID } from 'node:crypto'
import { openDatabase } from '../../server/db.js'
import { VirtualServiceRepo } from '../../server/repo/virtual-services.js'

export interface Endpoint {
  address: string
  port: number
}

/**
 * Adds copies of the service `model`, which the API made, to the database of an appliance that is
 * not running: one for each endpoint. Ten thousand calls would take longer than what is measured.
 */
export function copyService(file: string, model: string, endpoints: readonly Endpoint[]): void {
  const database = openDatabase(file)
  try {
    const services = new VirtualServiceRepo(database)
    const original = services.get(model)
    if (!original) throw new Error(`${file} holds no service ${model}`)
    const fresh = () => ({ ...original.meta, uid: randomUUID() })
    const first = Math.max(...services.all().map(({ position }) => position)) + 1
    const copy = ({ address, port }: Endpoint, i: number) =>
      services.insert({
        ...original,
        ...{ name: `${model}-${i}`, meta: fresh(), position: first + i },
        config: { ...original.config, address, port },
        servers: original.servers.map(server => ({ ...server, meta: fresh() })),
      })
    database.transaction(() => endpoints.forEach(copy))()
  } finally {
    database.close()
  }
}
