/** The report for people: a line for each packet, and indented below it what happened. */
import type { ConnectionView, Decision, PacketEvent, SentPacket, TimerEvent } from './decision.js'
import { serverText, serviceText } from './directory.js'
import { REASONS } from './reasons.js'
import type { Print, Report } from './report.js'
import type { Summary } from './summary.js'

const LABEL_WIDTH = 11
const SKIPPED = 'not replayed'

const VERDICTS = {
  forwarded: 'forwarded',
  answered: 'answered by Sluice',
  held: 'held until the other fragments are there',
  dropped: 'dropped',
  host: "left to the host's own stack",
} as const

export class TextReport implements Report {
  readonly #print: Print
  readonly #quiet: boolean

  constructor(print: Print, quiet: boolean) {
    this.#print = print
    this.#quiet = quiet
  }

  packet(event: PacketEvent): void {
    if (this.#quiet) return
    const { number, seconds, interfaceName, text, skipped, decision, sent } = event
    const direction = decision === null || decision.direction === 'none' ? '-' : decision.direction
    const head = `#${number}  ${seconds.toFixed(6)}  ${direction.padEnd(3)}`
    this.#print(`${head}  ${interfaceName}: ${text}`)
    if (skipped !== null) this.#detail(SKIPPED, skipped.detail)
    if (decision !== null) this.#decision(decision)
    this.#sent(sent)
  }

  timers({ seconds, expired, sent }: TimerEvent): void {
    if (this.#quiet) return
    const s = expired === 1 ? '' : 's'
    const text = expired === 0 ? '' : ` ${expired} connection${s} expired`
    this.#print(`--  ${seconds.toFixed(6)}  timers:${text === '' ? ' sent packets' : text}`)
    this.#sent(sent)
  }

  warning(text: string): void {
    if (!this.#quiet) this.#print(`--  ${text}`)
  }

  summary(summary: Summary): void {
    if (!this.#quiet) this.#print('')
    for (const line of summaryLines(summary)) this.#print(line)
  }

  #decision(decision: Decision): void {
    const { verdict, reasons, service, server, connection, mark, counters } = decision
    const why = reasons.map(name => (REASONS[name] ? `${name} (${REASONS[name]})` : name))
    const answered = verdict !== 'answered' && counters.answered !== undefined ? ', answered' : ''
    const because = why.length === 0 ? '' : `: ${why.join(', ')}`
    this.#detail('verdict', `${VERDICTS[verdict]}${because}${answered}`)
    if (mark !== 0) this.#detail('mark', String(mark))
    if (service !== null) this.#detail('service', serviceText(service))
    if (connection !== null) this.#detail('connection', connectionText(connection))
    if (decision.scheduled && service !== null && server !== null) {
      const { name, endpoint, forwarding, weight, activeConns, inactConns } = server
      const known = connection?.template?.isNew === false
      const by = known ? 'persistence' : service.scheduler
      const state = `weight ${weight}, now ${activeConns} active, ${inactConns} inactive`
      const text = `${by} chose ${serverText(name, endpoint)} (${forwarding}, ${state})`
      this.#detail('scheduler', text)
    } else if (server !== null) {
      this.#detail('server', serverText(server.name, server.endpoint))
    }
  }

  #sent(packets: readonly SentPacket[]): void {
    for (const { interfaceName, srcMac, dstMac, text } of packets) {
      if (interfaceName === null) this.#detail('to host', text)
      else this.#detail('out', `${interfaceName}: ${text} (${srcMac} > ${dstMac})`)
    }
  }

  #detail(label: string, text: string): void {
    this.#print(`    ${label.padEnd(LABEL_WIDTH)} ${text}`)
  }
}

function connectionText(connection: ConnectionView): string {
  const { isNew, protocol, client, virtual, realServer, stateBefore, stateAfter } = connection
  const ends = `${protocol} ${client} > ${virtual} > ${realServer}`
  const state = isNew
    ? `new, ${stateAfter}`
    : stateAfter === null
      ? `${stateBefore}, ended`
      : stateBefore === stateAfter
        ? stateAfter
        : `${stateBefore} -> ${stateAfter}`
  const { template } = connection
  const expires = stateAfter === null ? '' : `, expires in ${connection.expiresInSeconds} s`
  if (template === null) return `${ends}: ${state}${expires}`
  const which = `${template.isNew ? 'new ' : ''}template of ${template.client}`
  return `${ends}: ${state}${expires}; ${which}, ${template.expiresInSeconds} s`
}

function summaryLines(summary: Summary): string[] {
  const { packetsIn, packetsOut, toHost, connections, seconds } = summary
  const lines = [
    ['packets in', `${packetsIn} in ${seconds.toFixed(6)} s${list(summary.verdicts, ': ')}`],
    ['packets out', `${packetsOut}${toHost === 0 ? '' : `, and ${toHost} to this host itself`}`],
    ['dropped', list(summary.dropped) || 'none'],
    ['connections', `${connections.made} made, ${connections.left} left at the end`],
  ]
  const skipped = list(summary.skipped)
  if (skipped !== '') lines.splice(1, 0, [SKIPPED, skipped])
  const text = lines.map(([label, value]) => `${label!.padEnd(LABEL_WIDTH + 2)} ${value}`)
  for (const service of summary.services) {
    text.push(`  ${serviceText(service)} ${service.scheduler}: ${counted(service.statistics)}`)
    for (const server of service.servers) {
      const who = `${serverText(server.name, server.endpoint)} ${server.forwarding}`
      text.push(`    ${who} weight ${server.weight}: ${counted(server.statistics)}`)
    }
  }
  return text
}

const counted = (s: Summary['services'][number]['statistics']): string =>
  `conns ${s.conns}, in ${s.inPkts} packets ${s.inBytes} octets, out ${s.outPkts} packets ${s.outBytes} octets`

function list(counts: Readonly<Record<string, number>>, prefix = ''): string {
  const parts = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  return parts.length === 0 ? '' : prefix + parts.join(', ')
}
