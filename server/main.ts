/**
 * `sluice serve`: puts everything together in order, says one line when it is ready, and takes
 * everything apart in the opposite order when it is told to stop or when a step fails.
 */
import { chmodSync, rmSync } from 'node:fs'
import { connect, type AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { pino, type Logger } from 'pino'
import { allocate } from '../dataplane/shared/memory.js'
import { buildApp } from './app.js'
import { urlOf, type Config, type ListenAddress } from './config.js'
import { SharedConnections } from './connections.js'
import { createControl } from './control.js'
import { DataplaneClient } from './dataplane-client.js'
import { openDatabase } from './db.js'
import { examine, formatReport, thisHost } from './host/doctor.js'
import { LinuxHost } from './host/host-control.js'
import { lockInstance } from './host/instance.js'
import { FileJournal } from './host/journal.js'
import { openPacketQueues, RawSockets } from './host/raw-socket.js'
import { Undo } from './undo.js'

/** Exit statuses of the command, told in its help. */
export const Exit = { ok: 0, failed: 1, usage: 2, host: 3 } as const

/** How long answers in flight may take once we are told to stop. */
const FINISH_MS = 10_000
/** How often the host is looked at for what others took away. */
const VERIFY_MS = 10_000

/** Runs until told to stop; resolves with the exit status. */
export async function serve(config: Config): Promise<number> {
  const report = await examine(config, thisHost)
  const problems = formatReport(report, 'warning')
  if (problems !== '') process.stderr.write(`${problems}\n`)
  if (report.severity === 'fatal') {
    process.stderr.write('sluice cannot run on this host; `sluice doctor` has the whole report\n')
    return Exit.host
  }
  // Synchronous, so that the last lines before an exit are not lost.
  const logger = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }))
  const undo = new Undo(logger)
  const told = waitForSignal(logger)
  try {
    const url = await start(config, report.interfaces, logger, undo, told)
    const names = report.interfaces.join(' ')
    process.stdout.write(`sluice ready: API ${url}, interfaces ${names}, driver ${config.driver}\n`)
    logger.info({ url, interfaces: report.interfaces, driver: config.driver }, 'ready')
    logger.info({ reason: await told.reason }, 'stopping')
    return (await undo.run()) ? Exit.ok : Exit.failed
  } catch (error) {
    await undo.run()
    if (error instanceof Interrupted) return Exit.ok
    process.stderr.write(`sluice: ${messageOf(error)}\n`)
    logger.debug({ error }, 'start failed')
    return Exit.failed
  }
}

/** Starts every part, each with what undoes it; returns the address of the API. */
async function start(
  config: Config,
  interfaces: string[],
  logger: Logger,
  undo: Undo,
  told: Told,
): Promise<string> {
  const lock = await lockInstance()
  undo.push('instance lock', () => lock.release())
  const database = openDatabase(config.database)
  undo.push('database', () => database.close())

  const host = new LinuxHost({
    driver: config.driver,
    interfaces,
    journal: new FileJournal(`${resolve(config.database)}.host`),
    logger,
    stillHeld: async endpoints => {
      const asked = await dataplane.call({ op: 'guarded', endpoints: [...endpoints] })
      return asked.held
    },
  })
  undo.push('host', () => host.stop())
  await host.start()

  const memory = allocate(config.connsMax)
  const packetQueues = config.driver === 'raw-socket' ? openPacketQueues() : undefined
  const worker = { driver: config.driver, interfaces, ...(packetQueues && { packetQueues }) }
  const dataplane = new DataplaneClient({ memory, worker, logger })
  if (packetQueues) {
    const sockets = new RawSockets({ queues: packetQueues, logger })
    undo.push('raw sockets', () => sockets.close())
    sockets.open()
  }
  const connections = new SharedConnections(memory)
  const control = createControl({ database, dataplane, host, connections, logger })
  undo.push('control', () => control.stop())
  told.throwIfTold()
  await control.start()
  const verifying = setInterval(() => {
    host.verify().then(
      lost => lost.forEach(each => void dataplane.call({ op: 'announce', ...each }).catch(ignore)),
      (error: unknown) =>
        logger.warn({ reason: messageOf(error) }, 'the host could not be checked'),
    )
  }, VERIFY_MS)
  undo.push('host checks', () => clearInterval(verifying))

  told.throwIfTold()
  const app = buildApp({ control, logger })
  undo.push('API', () => closeWithin(app, FINISH_MS))
  return listen(app, config.listen)
}

async function listen(app: FastifyInstance, address: ListenAddress): Promise<string> {
  if (address.kind === 'tcp') {
    await app.listen({ host: address.host, port: address.port })
    return urlOf(address, (app.server.address() as AddressInfo).port)
  }
  if (await isAbandoned(address.path)) rmSync(address.path)
  await app.listen({ path: address.path })
  // Whoever may write to the socket may do everything: the owner and the group.
  chmodSync(address.path, 0o660)
  return urlOf(address)
}

/** A socket file that nobody listens on: what a killed process leaves. */
function isAbandoned(path: string): Promise<boolean> {
  return new Promise(resolvePromise => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolvePromise(false)
    })
    socket.on('error', error =>
      resolvePromise((error as NodeJS.ErrnoException).code === 'ECONNREFUSED'),
    )
  })
}

/** Stops accepting and waits for answers in flight, but not for ever. */
async function closeWithin(app: FastifyInstance, ms: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), ms)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}

class Interrupted extends Error {}

interface Told {
  reason: Promise<string>
  throwIfTold(): void
}

/** The first signal asks to stop; a second one ends the process where it stands. */
function waitForSignal(logger: Logger): Told {
  let told = false
  const reason = new Promise<string>(resolvePromise => {
    const stop = (why: string) => {
      if (told) {
        logger.error({ reason: why }, 'told again: stopping at once, the host may not be clean')
        process.exit(Exit.failed)
      }
      told = true
      resolvePromise(why)
    }
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => stop(signal))
    process.on('uncaughtException', error => {
      logger.fatal({ err: error }, 'a bug: stopping')
      process.exitCode = Exit.failed
      stop('uncaughtException')
    })
  })
  return {
    reason,
    throwIfTold() {
      if (told) throw new Interrupted()
    },
  }
}

const ignore = () => undefined

/** The message with those of its causes, in one line. */
function messageOf(error: unknown): string {
  const parts: string[] = []
  for (let each: unknown = error; each instanceof Error; each = each.cause)
    if (!parts.some(part => part.includes(each.message))) parts.push(each.message)
  return (parts.length > 0 ? parts.join(': ') : String(error)).replaceAll('\n', ' ')
}
