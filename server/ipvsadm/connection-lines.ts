/** `ipvsadm -Lc`: the connection table. */
import type { Format } from './command-line.js'
import { endpointName } from './endpoint-name.js'
import type { Connection, Endpoint, Protocol } from './model.js'
import type { Names } from './names.js'

/** The two lines above the connections. */
export function connectionTitle(format: Format): string {
  const columns = 'pro expire state       source             virtual            destination'
  const engine = format.persistentConn ? '        pe name          pe_data' : ''
  return `IPVS connection entries\n${columns}${engine}\n`
}

export async function connectionLine(c: Connection, format: Format, names: Names): Promise<string> {
  const protocol = c.protocol.toLowerCase() as Protocol
  const name = (endpoint: Endpoint) => endpointName(endpoint, protocol, format.numeric, names)
  const client = (await name(c.client)).padEnd(18)
  const virtual = (await name(c.virtual)).padEnd(18)
  let dest = await name(c.dest)
  if (format.persistentConn && c.engine !== undefined)
    dest = `${dest.padEnd(16)} ${c.engine.name.padEnd(18)} ${c.engine.data}`
  const start = `${c.protocol.padEnd(3)} ${clockText(c.expiresS)}  ${c.state.padEnd(11)}`
  return `${start} ${client} ${virtual} ${dest}\n`
}

function clockText(seconds: number): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`
}
