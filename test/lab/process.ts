import { spawn, type ChildProcess } from 'node:child_process'
import { followFile, openLog } from './log-file.js'

export interface ProcessOptions {
  name?: string
  env?: Readonly<Record<string, string>>
  /** Its output goes to this file, and it outlives us. Otherwise it is ours to end. */
  log?: string
}

/** A long-running program of the lab. What it prints is kept, and can be waited for. */
export class LabProcess {
  readonly name: string
  /** Resolves with the exit status (128 + signal as in a shell) once all output was read. */
  readonly exited: Promise<number>
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  #stdout = ''
  #stderr = ''
  #status: number | null = null

  constructor(command: readonly string[], { name, env, log }: ProcessOptions = {}) {
    this.name = name ?? command.join(' ')
    this.#child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, ...env },
      stdio: log === undefined ? 'pipe' : ['ignore', openLog(log), openLog(`${log}.errors`)],
      detached: log !== undefined,
    })
    const printed = (text: string) => this.#wake((this.#stdout += text))
    const complained = (text: string) => this.#wake((this.#stderr += text))
    this.#child.stdout?.setEncoding('utf8').on('data', printed)
    this.#child.stderr?.setEncoding('utf8').on('data', complained)
    this.#child.stdin?.on('error', () => undefined)
    const follow = log === undefined ? null : followFile(log, printed)
    const followErrors = log === undefined ? null : followFile(`${log}.errors`, complained)
    this.exited = new Promise(resolve => {
      const done = (status: number) => {
        follow?.()
        followErrors?.()
        this.#wake((this.#status = status))
        resolve(status)
      }
      this.#child.on('error', error => {
        this.#stderr += error.message
        done(127)
      })
      this.#child.on('close', (code, signal) => done(code ?? STATUS[signal ?? ''] ?? 255))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }
  get stdout(): string {
    return this.#stdout
  }
  get stderr(): string {
    return this.#stderr
  }
  /** Null while it runs. */
  get status(): number | null {
    return this.#status
  }

  /** Writes one line to its standard input. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#status === null) this.#child.kill(signal)
  }

  /** Lets this process end although the other one goes on. */
  release(): void {
    this.#child.unref()
  }

  /** Waits until its output (both streams) matches; `from` skips what was printed before. */
  async waitFor(pattern: RegExp, deadlineMs = 15_000, from = 0): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null
    const look = () => (found = pattern.exec((this.#stdout + this.#stderr).slice(from))) !== null
    await this.#until(() => look() || this.#status !== null, deadlineMs, `${pattern}`)
    if (look()) return found!
    throw new Error(`${this.name} ended with ${this.#status}; it said:\n${this.#lastWords()}`)
  }

  /** Ends it: `signal` first, SIGKILL after the grace period. Returns the exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 5000): Promise<number> {
    this.signal(signal)
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs)
    const status = await this.exited
    clearTimeout(timer)
    return status
  }

  async #until(done: () => boolean, deadlineMs: number, what: string): Promise<void> {
    if (done()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check)
        const said = this.#lastWords()
        reject(new Error(`${this.name}: no ${what} within ${deadlineMs} ms; it said:\n${said}`))
      }, deadlineMs)
      const check = () => {
        if (!done()) return
        clearTimeout(timer)
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
    })
  }

  #lastWords(): string {
    return (this.#stdout + this.#stderr).slice(-2000).trim()
  }

  /** Called with whatever has just changed, so that a change and its news are one statement. */
  #wake(_changed: string | number): void {
    for (const check of [...this.#waiting]) check()
  }
}

const STATUS: Readonly<Record<string, number>> = { SIGINT: 130, SIGKILL: 137, SIGTERM: 143 }
