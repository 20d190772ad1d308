/**
 * The log: JSON lines on standard error, one an event, without secrets. Fields: `level`, `time`, `msg`
 * (which text is stable: whoever looks for an event looks for it), `requestId` in every line of a
 * request, `reason` or `err` where something failed, and what the event is about.
 */
import { levels, pino, type LogFn, type Logger } from 'pino'
import { conceal } from './auth/secret.js'
import type { LogLevel } from './config.js'
import { LogLimit } from './log-limit.js'

/** The names under which a secret could be logged; nothing does. */
const SECRETS = ['authorization', 'token', 'secret', 'cookie'].flatMap(name => [
  ...[name, `*.${name}`, `*.headers.${name}`],
])
/** How often lines that were left out are told of. */
const SUMMARY_MS = 1000

export interface LogOptions {
  /** Takes whole lines; the default is standard error. */
  write?: (line: string) => void
  limit?: LogLimit
}

export interface Log {
  logger: Logger
  /** Tells of what was left out. */
  readonly summarise: () => void
  /** Ends the telling. */
  readonly close: () => void
}

export function openLog(level: LogLevel, options: LogOptions = {}): Log {
  const { write = toStandardError(), limit = new LogLimit() } = options
  // A token that somebody put into an address gets as far as here.
  const stream = { write: (line: string) => write(conceal(line)) }
  const hooks = {
    logMethod(this: Logger, args: Parameters<LogFn>, method: LogFn, severity: number) {
      const [first, second] = args as readonly unknown[]
      const text = typeof first === 'string' ? first : typeof second === 'string' ? second : ''
      if (severity >= levels.values['fatal']! || limit.admits(severity, text))
        method.apply(this, args)
    },
  }
  const logger = pino({ level, redact: SECRETS, hooks }, stream)
  const summarise = () => {
    for (const { level, text, left } of limit.take()) {
      const name = (levels.labels[level] ?? 'info') as 'info'
      logger[name]({ left, of: text }, 'equal lines were left out')
    }
  }
  const timer = setInterval(summarise, SUMMARY_MS)
  timer.unref()
  const close = () => {
    clearInterval(timer)
    summarise()
  }
  return { logger, summarise, close }
}

/** Synchronous, so that the last lines before an exit are not lost. */
function toStandardError(): (line: string) => void {
  const destination = pino.destination({ dest: 2, sync: true })
  return line => void destination.write(line)
}

/** SIGUSR2 turns what is logged up to `debug`, and back. Returns what undoes it. */
export function followLevelSignal(logger: Logger, configured: LogLevel): () => void {
  const turn = () => {
    logger.level = logger.level === configured ? 'debug' : configured
    logger.warn({ level: logger.level }, 'SIGUSR2: another level is logged')
  }
  process.on('SIGUSR2', turn)
  return () => void process.off('SIGUSR2', turn)
}
