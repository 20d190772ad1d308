/** The log: JSON lines on standard error, without secrets. */
import { pino, type Logger } from 'pino'
import { conceal } from './auth/secret.js'
import type { LogLevel } from './config.js'

/** The names under which a secret could be logged; nothing does. */
const SECRETS = ['authorization', 'token', 'secret', 'cookie'].flatMap(name => [
  ...[name, `*.${name}`, `*.headers.${name}`],
])

export function openLog(level: LogLevel): Logger {
  // Synchronous, so that the last lines before an exit are not lost.
  const destination = pino.destination({ dest: 2, sync: true })
  // A token that somebody put into an address gets as far as here.
  const stream = { write: (line: string) => void destination.write(conceal(line)) }
  return pino({ level, redact: SECRETS }, stream)
}
