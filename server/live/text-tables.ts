/** ipvsadm's own tables, numeric, of what the API lists as documents: `Accept: text/plain`. */
import type { ConnectionDocument, ServiceDocument } from '../ipvsadm/documents.js'
import { listedConnection, listedService, newestFirst } from '../ipvsadm/documents.js'
import { PLAIN, type Format } from '../ipvsadm/command-line.js'
import { connectionLine, connectionTitle } from '../ipvsadm/connection-lines.js'
import { kernelOrder } from '../ipvsadm/kernel-order.js'
import { arranged, serviceLines, titleLines, versionLine } from '../ipvsadm/listing.js'
import type { Names } from '../ipvsadm/names.js'

export type Table = 'services' | 'counters' | 'rates'

/** What recent kernels say; the appliance has no number of buckets of its own to tell. */
export const IPVS = { version: '1.2.1', size: 4096 }

const NUMERIC: Format = { ...PLAIN, numeric: true }
const FORMATS: Readonly<Record<Table, Format>> = {
  services: NUMERIC,
  counters: { ...NUMERIC, stats: true },
  rates: { ...NUMERIC, rate: true },
}
/** Numbers have no names to look up. */
const NO_NAMES: Names = {
  address: async () => null,
  host: async () => null,
  port: async () => null,
  service: async () => null,
}

/** As `ipvsadm -Ln`, with `--stats` or `--rate`. */
export async function servicesText(
  services: readonly ServiceDocument[],
  table: Table,
): Promise<string> {
  const format = FORMATS[table]
  const listed = kernelOrder(newestFirst(services).map(listedService))
  let text = versionLine(IPVS) + titleLines(format)
  for (const service of arranged(listed, format))
    text += await serviceLines(service, format, NO_NAMES)
  return text
}

/** As `ipvsadm -Ln -t ADDRESS:PORT`, which leaves the first line out. */
export async function serviceText(service: ServiceDocument, table: Table): Promise<string> {
  const format = FORMATS[table]
  const [arrangedService] = arranged([listedService(service)], format)
  return titleLines(format) + (await serviceLines(arrangedService!, format, NO_NAMES))
}

/** As `ipvsadm -Lnc`. */
export const connectionsTitle = (): string => connectionTitle(NUMERIC)

export const connectionText = (connection: ConnectionDocument): Promise<string> =>
  connectionLine(listedConnection(connection), NUMERIC, NO_NAMES)
