/** The process's own streams, environment and signals, for commands. */
import { text } from 'node:stream/consumers'
import type { Io } from './commands/context.js'

export function processIo(): Io {
  let stop: AbortController | null = null
  return {
    out: data => void process.stdout.write(data),
    err: data => void process.stderr.write(data),
    stdin: () => text(process.stdin),
    env: process.env,
    isTerminal: process.stderr.isTTY === true,
    setExit: status => (process.exitCode = status),
    // Only who asks for it takes SIGINT away from its usual meaning.
    get stopped() {
      if (stop === null) {
        stop = new AbortController()
        process.once('SIGINT', () => stop!.abort())
      }
      return stop.signal
    },
  }
}
