/** Runs the host's own tools (`ip`, `nft`): arguments as a list, input on stdin, never a shell. */
import { spawn } from 'node:child_process'

/** Runs a program to its end and gives its standard output; rejects with CommandError. */
export type Run = (file: string, args: readonly string[], input?: string) => Promise<string>

const DEADLINE_MS = 10_000
/** More for each MiB of input: nft takes 90,000 addresses in seconds, and longer beside a flood. */
const DEADLINE_MS_MIB = 10_000

/** A tool that is missing, failed or did not come back, in words a person can act on. */
export class CommandError extends Error {
  /** The executable was not found. */
  readonly missing: boolean
  readonly exitCode: number | null
  readonly stderr: string

  constructor(
    message: string,
    how: { missing?: boolean; exitCode?: number | null; stderr?: string; cause?: unknown },
  ) {
    super(message, { cause: how.cause })
    this.missing = how.missing ?? false
    this.exitCode = how.exitCode ?? null
    this.stderr = how.stderr ?? ''
  }
}

/** `nft` and `ip` live in sbin, which is not on the path of every account that has capabilities. */
export const searchPath = () => `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`

export const run: Run = (file, args, input) =>
  new Promise((resolve, reject) => {
    const name = `${file} ${args.join(' ')}`.trim()
    const child = spawn(file, args, {
      env: { ...process.env, PATH: searchPath(), LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    const deadlineMs = DEADLINE_MS + DEADLINE_MS_MIB * ((input?.length ?? 0) / 2 ** 20)
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      const afterS = Math.round(deadlineMs / 1000)
      reject(new CommandError(`${name} did not finish within ${afterS} s`, {}))
    }, deadlineMs)
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A program that exits without reading everything breaks the pipe; its exit code tells why.
    child.stdin.on('error', () => undefined)
    child.on('error', cause => {
      clearTimeout(timer)
      const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
      const message = missing ? `${file} is not installed` : `${file}: ${cause.message}`
      reject(new CommandError(message, { missing, cause }))
    })
    child.on('close', exitCode => {
      clearTimeout(timer)
      const stderr = Buffer.concat(err).toString().trim()
      if (exitCode === 0) resolve(Buffer.concat(out).toString())
      else reject(new CommandError(`${name}: ${firstLines(stderr)}`, { exitCode, stderr }))
    })
    child.stdin.end(input ?? '')
  })

/** Enough of a tool's complaint to act on: nft quotes the whole batch behind its first line. */
function firstLines(text: string): string {
  const line = text.split('\n').find(each => each.trim() !== '')
  return line === undefined ? 'failed without a word' : line.slice(0, 300)
}
