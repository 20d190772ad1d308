/** Reads what `ipvsadm -S` writes and `ipvsadm -R` takes, as `sluice ipvsadm` would carry it out. */
import { endpointOf } from '../documents/service-key.js'
import { parse } from '../ipvsadm/arguments.js'
import type { CommandLine } from '../ipvsadm/command-line.js'
import { Failure } from '../ipvsadm/failure.js'
import type { DestKey, DestSpec, ServiceKey, ServiceSpec } from '../ipvsadm/model.js'
import { NAMELESS, type Names } from '../ipvsadm/names.js'
import { Assembly, type Imported, type PlannedService } from './assembly.js'
import { LINE_LENGTH_MAX, LINES_MAX } from './limits.js'
import { pacer } from './pacing.js'
import { NOTHING, type Present } from './present.js'
import { mark, Report, type Entry } from './report.js'

export interface ImportOptions {
  /** What names of hosts and ports mean; unknown without. */
  names?: Names
  present?: Present
  /** Whether virtual addresses are to be put on an interface and announced. Default true. */
  manageAddress?: boolean
}

const NO_COMMAND = 'The line does not begin with a command of ipvsadm, such as -A or -a.'
const NO_SERVICE = 'Service not defined: no line above adds it.'
const NO_SERVER = 'No such destination: no line above adds it.'
/** Commands that leave no trace in a configuration. */
const PASSING: Partial<Record<CommandLine['command'], string>> = {
  list: 'Listing changes nothing.',
  save: 'Saving changes nothing.',
  zero: 'Counters are not configuration.',
  startDaemon: 'Connections are not synchronised with another host.',
  stopDaemon: 'Connections are not synchronised with another host.',
}

/** Never rejects, whatever the text; every line that says something has an entry in the report. */
export async function importIpvsadm(text: string, options: ImportOptions = {}): Promise<Imported> {
  const { names = NAMELESS, present = NOTHING, manageAddress = true } = options
  const report = new Report()
  const table = new Table(new Assembly(report, present, manageAddress), names)
  const pause = pacer()
  let start = 0
  for (let line = 1; start < text.length; line++) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    if (line > LINES_MAX) {
      const reason = `A text has at most ${LINES_MAX} lines; from here on nothing was read.`
      report.add({ line, column: 1, text: '' }, 'refused', reason)
      break
    }
    await table.read(line, text.slice(start, end), report)
    await pause()
    start = end + 1
  }
  return await table.assembly.finish(pause)
}

class Table {
  readonly assembly: Assembly
  readonly #names: Names
  /** What names meant in the line at hand. */
  #lookups: string[] = []

  constructor(assembly: Assembly, names: Names) {
    this.assembly = assembly
    this.#names = this.#listening(names)
  }

  async read(line: number, raw: string, report: Report): Promise<void> {
    const words = [...raw.slice(0, LINE_LENGTH_MAX).matchAll(/\S+/g)]
    if (words.length === 0 || words[0]![0].startsWith('#')) return
    const where = { line, column: words[0]!.index + 1, text: raw.trim() }
    if (raw.length > LINE_LENGTH_MAX) {
      report.add(where, 'refused', `The line is longer than ${LINE_LENGTH_MAX} characters.`)
      return
    }
    if (words[0]![0] === 'ipvsadm') words.shift()
    const entry = report.add(where, 'taken')
    this.#lookups = []
    try {
      const command = await parse(
        words.map(([word]) => word),
        this.#names,
      )
      this.#apply(command, entry, raw)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      const reason = error.message.startsWith('Try ') ? NO_COMMAND : sentence(error.message)
      mark(entry, 'refused', reason)
      if (error.argument !== null)
        entry.column = (words[error.argument]?.index ?? entry.column - 1) + 1
    }
    for (const lookup of this.#lookups) mark(entry, 'changed', lookup)
  }

  #apply(line: CommandLine, entry: Entry, raw: string): void {
    switch (line.command) {
      case 'add':
        this.#addService(line.service, entry)
        return
      case 'edit':
        this.#editService(line.service, entry)
        return
      case 'delete':
        return this.#deleteService(line.key, entry)
      case 'addServer':
        return this.#addServer(line.key, line.dest, entry, raw)
      case 'editServer':
        return this.#editServer(line.key, line.dest, entry, raw)
      case 'deleteServer':
        return this.#deleteServer(line.key, line.dest, entry)
      case 'flush':
        return this.#flush(entry)
      case 'timeouts': {
        const { tcpS, tcpFinS, udpS } = line.timeouts
        // 0 keeps a value.
        if (tcpS > 0) this.assembly.setTimeouts({ tcpSeconds: tcpS })
        if (tcpFinS > 0) this.assembly.setTimeouts({ tcpFinSeconds: tcpFinS })
        if (udpS > 0) this.assembly.setTimeouts({ udpSeconds: udpS })
        if (tcpS + tcpFinS + udpS > 0) entry.pointer = '/settings/timeouts'
        return
      }
      default:
        mark(entry, 'ignored', PASSING[line.command] ?? NO_COMMAND)
    }
  }

  #addService(spec: ServiceSpec, entry: Entry): void {
    this.assembly.addService(spec, entry)
  }

  #editService(spec: ServiceSpec, entry: Entry): void {
    const service = this.assembly.find(spec.key)
    if (service === null) return mark(entry, 'refused', NO_SERVICE)
    mark(service.entry, 'changed', `Line ${entry.line} edits it.`)
    service.spec = spec
    service.entry = entry
  }

  #deleteService(key: ServiceKey, entry: Entry): void {
    const service = this.assembly.find(key)
    if (service === null) return mark(entry, 'refused', NO_SERVICE)
    forget(service, entry)
    this.assembly.removeService(key)
  }

  #addServer(key: ServiceKey, spec: DestSpec, entry: Entry, raw: string): void {
    const service = this.assembly.find(key)
    if (service === null) return mark(entry, 'refused', NO_SERVICE)
    if (this.assembly.addServer(service, { spec, entry })) checkPort(key, spec, entry, raw)
  }

  #editServer(key: ServiceKey, spec: DestSpec, entry: Entry, raw: string): void {
    const service = this.assembly.find(key)
    if (service === null) return mark(entry, 'refused', NO_SERVICE)
    const server = service.servers.get(endpointOf(spec))
    if (server === undefined) return mark(entry, 'refused', NO_SERVER)
    checkPort(key, spec, entry, raw)
    mark(server.entry, 'changed', `Line ${entry.line} edits it.`)
    server.spec = spec
    server.entry = entry
  }

  #deleteServer(key: ServiceKey, dest: DestKey, entry: Entry): void {
    const service = this.assembly.find(key)
    if (service === null) return mark(entry, 'refused', NO_SERVICE)
    const server = service.servers.get(endpointOf(dest))
    if (server === undefined) return mark(entry, 'refused', NO_SERVER)
    mark(server.entry, 'ignored', `Line ${entry.line} deletes it again.`)
    this.assembly.removeServer(service, endpointOf(dest))
  }

  #flush(entry: Entry): void {
    for (const service of this.assembly.services.values()) {
      forget(service, entry)
      this.assembly.removeService(service.spec.key)
    }
    const reason = 'It clears the lines above it; what is configured goes with mode=replace alone.'
    mark(entry, 'changed', reason)
  }

  #listening(names: Names): Names {
    return {
      ...names,
      address: async host => {
        const found = await names.address(host)
        if (found !== null) this.#lookups.push(`'${host}' is ${found}.`)
        return found
      },
      port: async (name, protocol) => {
        const found = await names.port(name, protocol)
        if (found !== null) this.#lookups.push(`'${name}' is port ${found}.`)
        return found
      },
    }
  }
}

function forget(service: PlannedService, { line }: Entry): void {
  const reason = `Line ${line} deletes it again.`
  mark(service.entry, 'ignored', reason)
  for (const { entry } of service.servers.values()) mark(entry, 'ignored', reason)
}

/** ipvsadm gives a server that is routed or tunnelled to the port of the service, in silence. */
function checkPort({ fwmark, port }: ServiceKey, spec: DestSpec, entry: Entry, raw: string): void {
  if (fwmark !== 0 || spec.forwarding === 'masq') return
  const given = /(?:^|\s)(?:-r|--real-server)[\s=]*\S*?(?::|\]:)(\d+)(?=\s|$)/.exec(raw)?.[1]
  if (given === undefined || Number(given) === port) return
  const reason = `Nothing rewrites its port, so it is the service's, ${port}, not ${given}.`
  mark(entry, 'changed', reason)
}

function sentence(message: string): string {
  const text = message.trim()
  return /[.!?]$/.test(text) ? text : `${text}.`
}
