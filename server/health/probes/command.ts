/**
 * A program of the administrator's: exit status 0 is a success. It is started without a shell, out
 * of one folder, with an environment of our own; it and everything that it started are killed when
 * the run ends. What it prints is its explanation.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { lstatSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { printable, printableText } from '../printable.js'
import type { Run } from '../run.js'
import type { FieldsOf, Probe } from './probe.js'

const OUTPUT_OCTETS_MAX = 4096
const LAST_WORDS_MS = 100
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const WRITABLE_BY_OTHERS = 0o022
const EXECUTABLE = 0o111

/** A null folder: commands are switched off. */
export const commandProbe =
  (folder: string | null): Probe<'command'> =>
  (check, run) => {
    const fault = faultOfProgram(folder, check.program)
    if (fault !== null) return run.fail('unsupported', fault)
    const program = join(folder!, check.program)
    run.note('execute', [program, ...check.arguments.map(each => fill(each, run))].join(' '))
    run.waitingFor = `the end of ${check.program}`
    const child = spawn(program, argumentsOf(check, run), {
      ...{ cwd: '/', env: environmentOf(run), shell: false, stdio: ['ignore', 'pipe', 'pipe'] },
      // A process group of its own, so that its children can be killed with it.
      detached: true,
    })
    run.onEnd(() => killGroup(child))
    const output = collect(child)
    child.on('error', error =>
      run.fail('internal', `${check.program} cannot be started: ${error.message}.`),
    )
    const judge = (status: number | string) => {
      const said = output()
      const words = said.length === 0 ? '.' : `: ${firstLine(said)}`
      run.note('receive', `exit status ${status}`, said)
      if (status === 0) run.succeed(`${check.program} ended with status 0${words}`)
      else run.fail('status', `${check.program} ended with ${status}${words}`)
    }
    // What it printed last may come after its end; a child that keeps its output open is not waited for.
    child.on('close', (status, signal) => judge(status ?? signal ?? 'no status'))
    child.on('exit', (status, signal) =>
      run.after(LAST_WORDS_MS, () => judge(status ?? signal ?? 'no status')),
    )
  }

/** Why a program may not be run, or null. Whoever could change it would run as we do. */
export function faultOfProgram(folder: string | null, program: string): string | null {
  if (folder === null) return 'No folder of check commands is configured.'
  if (!NAME.test(program)) return `${printableText(program)} is no name of a program.`
  const path = join(folder, program)
  try {
    if (realpathSync(path) !== join(realpathSync(folder), program))
      return `${path} points out of its folder.`
    for (const each of [folder, path]) {
      const { mode, uid } = lstatSync(each)
      if ((mode & WRITABLE_BY_OTHERS) !== 0) return `${each} can be written by others.`
      if (uid !== 0 && uid !== process.getuid!()) return `${each} belongs to somebody else.`
    }
    const status = lstatSync(path)
    if (!status.isFile() || (status.mode & EXECUTABLE) === 0) return `${path} is no program.`
    return null
  } catch (error) {
    return `${path} cannot be used: ${(error as NodeJS.ErrnoException).code}.`
  }
}

const argumentsOf = (check: FieldsOf<'command'>, run: Run) =>
  check.arguments.map(each => fill(each, run))

const fill = (text: string, { target }: Run) =>
  text.replace(/\{(address|port|service|server)\}/g, (_all, name: keyof typeof target) =>
    String(target[name]),
  )

const environmentOf = ({ target, timeoutMs }: Run) => ({
  PATH,
  LANG: 'C.UTF-8',
  SLUICE_SERVICE: target.service,
  SLUICE_SERVER: target.server,
  SLUICE_ADDRESS: target.address,
  SLUICE_PORT: String(target.port),
  SLUICE_TIMEOUT_MS: String(timeoutMs),
})

/** Returns what gives the first octets of both outputs; the rest is read and thrown away. */
export function collect(child: ChildProcess): () => Buffer {
  const parts: Buffer[] = []
  let octets = 0
  const take = (chunk: Buffer) => {
    const part = chunk.subarray(0, OUTPUT_OCTETS_MAX - octets)
    octets += part.length
    if (part.length > 0) parts.push(part)
  }
  child.stdout?.on('data', take).on('error', () => undefined)
  child.stderr?.on('data', take).on('error', () => undefined)
  return () => Buffer.concat(parts)
}

/** Kills a program and everything that it started; it leads a process group of its own. */
export function killGroup(child: ChildProcess): void {
  child.stdout?.destroy()
  child.stderr?.destroy()
  try {
    // Its group may outlive it, and is killed as well.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nobody is left.
  }
}

/** Of an output, fit to be shown. */
export const firstLine = (octets: Buffer) => {
  const end = octets.indexOf(10)
  return printable(end < 0 ? octets : octets.subarray(0, end), 160)
}
