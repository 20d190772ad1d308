/**
 * `sluice explain`: which real server a client would get, and why, step by step; or, with the path
 * of a field, what that field may hold.
 */
import { Option, type Command } from 'commander'
import type { Simulation, SimulationRequest } from '../../openapi/client/schema.js'
import { must, mustFetch, type Session } from '../client/client.js'
import { endpoint } from '../kinds/kind.js'
import { machineText } from '../output/format.js'
import { tableText } from '../output/table.js'
import { apiCommand, outputOption, UsageError, type Io } from './context.js'
import { FIELD_ROOTS, fieldText, type Schema } from './fields.js'

interface ExplainFlags {
  client?: string
  to?: string
  protocol: 'tcp' | 'udp' | 'sctp'
  interface?: string
  packet?: string
  output: 'table' | 'json' | 'yaml'
}

const EXAMPLES = `sluice explain --client 192.0.2.9:40000 --to 198.51.100.10:80
sluice explain --protocol udp --client [2001:db8:1::9]:5353 --to [2001:db8:f::10]:53
sluice explain --packet 4500003c…                    a whole packet, hex from the IP header on
sluice explain service                               the fields of a virtual service
sluice explain service.scheduler                     one of them: type, default, allowed values`

export function addExplain(program: Command, io: Io): void {
  const command = program
    .command('explain')
    .description(
      'say what would become of a packet, and why (sends nothing); or what a field may hold',
    )
    .argument('[field]', `what to explain, such as service.scheduler: ${FIELD_ROOTS.join(', ')}`)
    .option('--client <address:port>', 'where it comes from')
    .option('--to <address:port>', 'where it goes')
    .addOption(
      new Option('--protocol <protocol>', 'its protocol')
        .choices(['tcp', 'udp', 'sctp'])
        .default('tcp'),
    )
    .option('--interface <name>', 'where it arrives; found by route when left out')
    .option('--packet <hex>', 'the packet itself, instead')
    .addOption(outputOption('table', ['table', 'json', 'yaml']))
  apiCommand<ExplainFlags>(command, io, EXAMPLES, async ({ session, flags }, field?: string) => {
    if (field !== undefined) return io.out(fieldText(await schemasOf(session), field))
    const body = requestOf(flags)
    const simulation = await must(session.client.POST('/v1/simulations', { body }))
    io.out(flags.output === 'table' ? stepsText(simulation) : machineText(simulation, flags.output))
  })
}

/** Of the appliance that is asked, which may be another version than this. */
export async function schemasOf(session: Session): Promise<Readonly<Record<string, Schema>>> {
  const answer = await mustFetch(session.fetch('/openapi.json'))
  const { components } = (await answer.json()) as {
    components: { schemas: Readonly<Record<string, Schema>> }
  }
  return components.schemas
}

function requestOf(flags: ExplainFlags): SimulationRequest {
  const { client, to, protocol, packet, interface: port } = flags
  const way = port === undefined ? {} : { interface: port }
  if (packet !== undefined) return { packet: packet.replaceAll(/\s/g, ''), ...way }
  if (client === undefined || to === undefined)
    throw new UsageError('say --client ADDRESS:PORT and --to ADDRESS:PORT, or --packet HEX')
  return { protocol, client: endpointOf(client), virtual: endpointOf(to), ...way }
}

/** `192.0.2.1:80` or `[2001:db8::1]:80`. */
export function endpointOf(text: string): { address: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  if (match === null)
    throw new UsageError(`'${text}' is not of the form address:port or [ipv6]:port`)
  return { address: (match[1] ?? match[2])!, port: Number(match[3]) }
}

/** The decision in the order in which it is made. */
export function stepsText(s: Simulation): string {
  const lines: [string, string][] = [['packet', `${s.packet.text} (on ${s.packet.interface})`]]
  if (s.mark.value !== 0)
    lines.push([
      'mark',
      `${s.mark.value} by rule ${s.mark.rule ?? '?'}${s.mark.used ? '' : ', which no service asks for'}`,
    ])
  lines.push(['service', serviceText(s)])
  if (s.template !== null) lines.push(['template', flowText(s.template)])
  if (s.connection !== null) {
    const { stateBefore, stateAfter } = s.connection
    const states = `${stateBefore ?? 'none'} → ${stateAfter ?? 'ended'}`
    lines.push(['connection', `${flowText(s.connection)}, ${states}`])
  }
  if (s.decidedBy !== null) lines.push(['decided by', s.decidedBy])
  let text = labelled(lines)
  if (s.realServers.length > 0) text += `\n${serversText(s)}\n`
  return text + labelled(endOf(s))
}

function serviceText({ service }: Simulation): string {
  if (service === null) return 'none'
  const { name, key, scheduler, lookup, random } = service
  const lots = random ? ', draws lots: the next answer may differ' : ''
  return `${name ?? '(not configured any more)'} (${key}), found by ${lookup}, scheduler ${scheduler}${lots}`
}

interface Flow {
  status: string
  client: { address: string; port: number }
  virtual: { address: string; port: number }
  realServer: { address: string; port: number }
  expiresInSeconds: number
}

const flowText = ({ status, client, virtual, realServer, expiresInSeconds }: Flow): string =>
  `${status}: ${endpoint(client)} > ${endpoint(virtual)} > ${endpoint(realServer)}, ` +
  `expires in ${expiresInSeconds} s`

const serversText = ({ realServers }: Simulation): string =>
  tableText(
    [
      { title: 'REAL SERVER', value: ({ name }) => name },
      { title: 'ADDRESS', value: endpoint },
      { title: 'FORWARDING', value: ({ forwarding }) => forwarding },
      { title: 'WEIGHT', value: ({ weight }) => weight },
      { title: 'ACTIVE', value: ({ activeConns }) => activeConns },
      { title: 'INACTIVE', value: ({ inactConns }) => inactConns },
      { title: 'OUTCOME', value: ({ chosen, passedOver }) => (chosen ? 'chosen' : passedOver) },
    ],
    realServers,
    false,
  )

function endOf(s: Simulation): [string, string][] {
  const lines: [string, string][] = []
  if (s.ttl !== null) lines.push(['TTL', `${s.ttl.value}: ${s.ttl.outcome}`])
  if (s.mtu !== null)
    lines.push(['MTU', `${s.mtu.octets} octets of ${s.mtu.limitOctets ?? '?'}: ${s.mtu.outcome}`])
  if (s.nextHop !== null) {
    const { towards, kind, interface: port, macAddress } = s.nextHop
    const where = [port, macAddress].filter(each => each !== null).join(' ')
    lines.push(['next hop', `${towards} (${kind}${where === '' ? '' : `, ${where}`})`])
  }
  for (const { interface: port, text } of s.sent)
    lines.push(['sent', `${text} (${port === null ? 'by the kernel' : `on ${port}`})`])
  lines.push(['verdict', s.counter === null ? s.verdict : `${s.verdict}, counted as ${s.counter}`])
  return lines
}

const labelled = (lines: readonly (readonly [string, string])[]): string =>
  lines.map(([label, text]) => `${label.padEnd(12)}${text}\n`).join('')
