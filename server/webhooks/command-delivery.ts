/**
 * By a program of the administrator's, as keepalived's notify scripts: type of the event, name of
 * its object and its state as arguments, the event as JSON on its standard input. Status 0 is a
 * success. It is started without a shell, out of one folder, and killed when its time is over.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { collect, faultOfProgram, firstLine, killGroup, PATH } from '../health/probes/command.js'
import type { Event } from '../schemas/event.js'
import type { Attempt, Deliver } from './delivery.js'

/** Why such a program may not be run, or null. */
export const faultOfCommand = (folder: string | null, command: string): string | null =>
  folder === null
    ? 'No folder of notify commands is configured; see --notify-commands.'
    : faultOfProgram(folder, command)

export const deliverByCommand =
  (folder: string | null): Deliver =>
  ({ id, event, spec }, signal) =>
    new Promise(resolve => {
      const command = spec.command!
      // Looked at each time: whoever could change it would run as we do.
      const fault = faultOfCommand(folder, command)
      if (fault !== null) return resolve({ delivered: false, detail: fault })
      const child = spawn(join(folder!, command), [event.type, event.name ?? '', stateOf(event)], {
        ...{ cwd: '/', shell: false, stdio: ['pipe', 'pipe', 'pipe'], detached: true },
        env: { PATH, LANG: 'C.UTF-8', SLUICE_EVENT: event.type, SLUICE_DELIVERY: id },
      })
      const output = collect(child)
      const settle = (attempt: Attempt) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', stop)
        killGroup(child)
        resolve(attempt)
      }
      const fail = (detail: string) => settle({ delivered: false, detail })
      const stop = () => fail(`${command} was stopped.`)
      const timer = setTimeout(
        () => fail(`${command} took longer than ${spec.timeoutSeconds} s.`),
        spec.timeoutSeconds * 1000,
      )
      signal.addEventListener('abort', stop, { once: true })
      child.on('error', error => fail(`${command} cannot be started: ${error.message}.`))
      child.on('exit', (status, by) => {
        const said = output()
        const words = said.length === 0 ? '.' : `: ${firstLine(said)}`
        const detail = `${command} ended with ${status ?? by ?? 'no status'}${words}`
        settle({ delivered: status === 0, detail })
      })
      // It may end without having read.
      child.stdin.on('error', () => {})
      child.stdin.end(`${JSON.stringify(event)}\n`)
    })

/** What the object is now, where the event says so; else how it came out. */
function stateOf({ after, outcome }: Event): string {
  const { operatingStatus, state } = (after ?? {}) as Record<string, unknown>
  const word = operatingStatus ?? state
  return typeof word === 'string' ? word : outcome
}
