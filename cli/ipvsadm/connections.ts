/** `ipvsadm -Lc`: the connection table. */
import type { Format } from '../../server/ipvsadm/command-line.js'
import { endpointName } from '../../server/ipvsadm/endpoint-name.js'
import type { Connection, Endpoint, Protocol } from '../../server/ipvsadm/model.js'
import type { Names } from '../../server/ipvsadm/names.js'

export async function connectionLines(
  connections: readonly Connection[],
  format: Format,
  names: Names,
): Promise<string> {
  let text = 'IPVS connection entries\n'
  text += 'pro expire state       source             virtual            destination'
  text += format.persistentConn ? '        pe name          pe_data\n' : '\n'
  for (const c of connections) {
    const protocol = c.protocol.toLowerCase() as Protocol
    const name = (endpoint: Endpoint) => endpointName(endpoint, protocol, format.numeric, names)
    const client = (await name(c.client)).padEnd(18)
    const virtual = (await name(c.virtual)).padEnd(18)
    let dest = await name(c.dest)
    if (format.persistentConn && c.engine !== undefined)
      dest = `${dest.padEnd(16)} ${c.engine.name.padEnd(18)} ${c.engine.data}`
    const start = `${c.protocol.padEnd(3)} ${clockText(c.expiresS)}  ${c.state.padEnd(11)}`
    text += `${start} ${client} ${virtual} ${dest}\n`
  }
  return text
}

function clockText(seconds: number): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`
}
