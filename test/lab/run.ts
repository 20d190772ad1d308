import { spawn, spawnSync } from 'node:child_process'

export interface Output {
  /** Exit status, or -1 when a signal ended it. */
  code: number
  stdout: string
  stderr: string
}

export interface RunOptions {
  input?: string
  deadlineMs?: number
}

/** Runs a command to its end and returns what it said, whatever its exit status. */
export function run(
  command: readonly string[],
  { input, deadlineMs = 60_000 }: RunOptions = {},
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    // A command that ends without reading its input is its own business.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input ?? '')
    child.on('error', reject)
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code: code ?? -1, stdout, stderr })
    })
  })
}

/** As `run`, but anything but exit status 0 is an error that quotes the command. */
export async function must(command: readonly string[], options?: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await run(command, options)
  if (code !== 0) throw new Error(`${command.join(' ')}: exit ${code}: ${stderr || stdout}`.trim())
  return stdout
}

/** Runs a command while the process is on its way out, when nothing asynchronous runs any more. */
export function runSync(command: readonly string[]): string {
  return spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' }).stdout ?? ''
}
