/** Runs ipvsadm command lines against a backend and collects what ipvsadm would have printed. */
import { parse } from '../../server/ipvsadm/arguments.js'
import { isAddition, type Addition } from './additions.js'
import { KernelError, type Backend } from './backend.js'
import type { CommandLine, Format } from '../../server/ipvsadm/command-line.js'
import { connectionLine, connectionTitle } from '../../server/ipvsadm/connection-lines.js'
import { Failure, REFUSED, tryHelp } from '../../server/ipvsadm/failure.js'
import { HELP, VERSION } from './help.js'
import { arranged, serviceLines, titleLines, versionLine } from '../../server/ipvsadm/listing.js'
import { messageOf } from './messages.js'
import type { DaemonSpec, ListedService } from '../../server/ipvsadm/model.js'
import { hostNames, type Names } from '../../server/ipvsadm/names.js'
import { saveLines } from '../../server/ipvsadm/save.js'

export interface Outcome {
  /** Both streams, in the order of printing. */
  out: string
  stdout: string
  stderr: string
  exit: number
}

export interface Surroundings {
  /** Standard input, for `-R`. */
  stdin?: string
  /** The host's own names unless a test brings some. */
  names?: Names
}

/** A listing could not be read. */
const LIST_FAILED = 1

/** `args` is what follows the program's name. */
export async function run(
  args: readonly string[],
  backend: Backend,
  surroundings: Surroundings = {},
): Promise<Outcome> {
  const program = new Program(backend, surroundings)
  let exit: number
  try {
    exit = await program.process(args)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    program.print(error.stream, error.message)
    exit = error.exit
  }
  const { out, stdout, stderr } = program
  return { out, stdout, stderr, exit }
}

class Program {
  out = ''
  stdout = ''
  stderr = ''
  readonly #backend: Backend
  readonly #stdin: string
  readonly #names: Names

  constructor(backend: Backend, { stdin = '', names = hostNames() }: Surroundings) {
    this.#backend = backend
    this.#stdin = stdin
    this.#names = names
  }

  print(stream: 'stdout' | 'stderr', text: string): void {
    this.out += text
    this[stream] += text
  }

  /** Returns the exit status of that line; throws Failure where the program ends at once. */
  async process(args: readonly string[]): Promise<number> {
    return await this.#execute(await parse(args, this.#names), false)
  }

  async #execute(line: CommandLine, restoring: boolean): Promise<number> {
    const backend = this.#backend
    switch (line.command) {
      case 'help':
        throw new Failure(0, HELP, 'stdout')
      case 'version':
        throw new Failure(0, VERSION, 'stdout')
      case 'add':
        return this.#change('addService', () => backend.addService(line.service))
      case 'edit':
        return this.#change('editService', () => backend.editService(line.service))
      case 'delete':
        return this.#change('delService', () => backend.delService(line.key))
      case 'flush':
        return this.#change('flush', () => backend.flush())
      case 'zero':
        return this.#change('zero', () => backend.zero(line.key))
      case 'addServer':
        return this.#change('addDest', () => backend.addDest(line.key, line.dest))
      case 'editServer':
        return this.#change('editDest', () => backend.editDest(line.key, line.dest))
      case 'deleteServer':
        return this.#change('delDest', () => backend.delDest(line.key, line.dest))
      case 'timeouts':
        return this.#change('setTimeouts', () => backend.setTimeouts(line.timeouts))
      case 'startDaemon':
        return this.#change('startDaemon', () => backend.startDaemon(line.daemon))
      case 'stopDaemon':
        return this.#change('stopDaemon', () => backend.stopDaemon(line.role, line.syncId))
      case 'restore':
        return restoring ? tryHelp() : await this.#restore()
      case 'save':
        return await this.#save(line.format)
      case 'list':
        return await this.#list(line)
    }
  }

  async #change(operation: keyof Backend, act: () => Promise<void>): Promise<number> {
    try {
      await act()
      return 0
    } catch (error) {
      this.print('stderr', `${textOf(operation, error)}\n`)
      return REFUSED
    }
  }

  async #read<T>(operation: keyof Backend, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw new Failure(LIST_FAILED, `${textOf(operation, error)}\n`)
    }
  }

  async #list(line: Extract<CommandLine, { command: 'list' }>): Promise<number> {
    const backend = this.#backend
    const { key, format } = line
    switch (line.what) {
      case 'connections': {
        const connections = await this.#read('connections', () => backend.connections())
        this.print('stdout', connectionTitle(format))
        for (const each of connections)
          this.print('stdout', await connectionLine(each, format, this.#names))
        return 0
      }
      case 'timeouts': {
        const t = await this.#read('timeouts', () => backend.timeouts())
        this.print('stdout', `Timeout (tcp tcpfin udp): ${t.tcpS} ${t.tcpFinS} ${t.udpS}\n`)
        return 0
      }
      case 'daemons':
        for (const d of await this.#read('daemons', () => backend.daemons())) {
          this.print('stdout', daemonLine(d))
        }
        return 0
      case 'services': {
        const services =
          key === null
            ? await this.#read('services', () => backend.services())
            : [await this.#read('service', () => backend.service(key))]
        if (key === null) {
          const info = await this.#read('info', () => backend.info())
          this.print('stdout', versionLine(info))
        }
        this.print('stdout', titleLines(format))
        return await this.#each(services, format, s => serviceLines(s, format, this.#names))
      }
    }
  }

  async #save(format: Format): Promise<number> {
    const services = await this.#read('services', () => this.#backend.services())
    return await this.#each(services, format, s => saveLines(s, format.numeric, this.#names))
  }

  async #each(
    services: readonly ListedService[],
    format: Format,
    lines: (service: ListedService) => Promise<string>,
  ): Promise<number> {
    for (const service of arranged(services, format)) this.print('stdout', await lines(service))
    return 0
  }

  /**
   * One command line a line; blanks separate words, there is no quoting. Additions that follow each
   * other are carried out together: a saved table is in force as a whole, or as ipvsadm would have
   * left it where a line is refused.
   */
  async #restore(): Promise<number> {
    let exit = 0
    const gathered: Addition[] = []
    const carryOut = async () => {
      if (gathered.length > 0) exit = await this.#addAll(gathered.splice(0))
    }
    for (const text of this.#stdin.split('\n')) {
      const words = text.split(/\s+/).filter(word => word !== '' && word !== 'ipvsadm')
      if (words.length === 0) continue
      const line = await this.#parsed(words)
      if (!(line instanceof Failure) && isAddition(line)) {
        gathered.push(line)
        continue
      }
      await carryOut()
      if (line instanceof Failure) {
        // popt's own complaints end a line of a restore, not the restore.
        if (!isPoptError(line)) throw line
        this.print('stderr', line.message)
        exit = line.exit
      } else exit = await this.#execute(line, true)
    }
    await carryOut()
    return exit
  }

  async #parsed(words: readonly string[]): Promise<CommandLine | Failure> {
    try {
      return await parse(words, this.#names)
    } catch (error) {
      if (error instanceof Failure) return error
      throw error
    }
  }

  /** The exit status of the last one. */
  async #addAll(lines: readonly Addition[]): Promise<number> {
    let exit = 0
    const codes = lines.length === 1 ? null : await this.#backend.addAll?.(lines)
    for (const [i, line] of lines.entries()) {
      if (!codes) exit = await this.#execute(line, true)
      else {
        const operation = line.command === 'add' ? 'addService' : 'addDest'
        const code = codes[i] ?? null
        exit = await this.#change(operation, async () => {
          if (code !== null) throw new KernelError(code)
        })
      }
    }
    return exit
  }
}

/** The two failures with this status that are not popt's are the hints, which end the program. */
const isPoptError = (error: Failure): boolean =>
  error.exit === REFUSED && !error.message.startsWith('Try ')

function textOf(operation: keyof Backend, error: unknown): string {
  if (!(error instanceof KernelError)) throw error
  return messageOf(operation, error.code) ?? error.message
}

function daemonLine(d: DaemonSpec): string {
  const details = [
    `mcast=${d.interface}`,
    `syncid=${d.syncId}`,
    `maxlen=${d.maxLength}`,
    `group=${d.group}`,
    `port=${d.port}`,
    `ttl=${d.ttl}`,
  ]
  return `${d.role} sync daemon (${details.join(', ')})\n`
}
