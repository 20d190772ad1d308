/**
 * `sluice serve`: puts everything together in order, says one line when it is ready, and takes
 * everything apart in the opposite order when it is told to stop or when a step fails.
 */
import { resolve } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { WorkerConfig } from '../dataplane/protocol.js'
import { ConnReserve } from '../dataplane/shared/conn-reserve.js'
import { allocate } from '../dataplane/shared/memory.js'
import { buildApp } from './app.js'
import { SYSTEM } from './auth/actor.js'
import { Gate } from './auth/gate.js'
import { Tokens } from './auth/tokens.js'
import { Certificates } from './auth/certificates.js'
import type { Config } from './config.js'
import { SharedConnections } from './live/connections.js'
import { createControl } from './control.js'
import { DataplaneClient, memoriesOf, type Dataplane } from './dataplane/dataplane-client.js'
import type { DataplaneOptions, Phase } from './dataplane/dataplane-client.js'
import { DataplaneFleet } from './dataplane/dataplane-fleet.js'
import { openDatabase } from './db.js'
import { urlOf } from './listen/listen-address.js'
import { HealthEngine, type HealthEngineOptions } from './health/health-engine.js'
import { ownProbeNetwork, type ProbeNetwork } from './health/probe-network.js'
import { gatewayThrough } from './health/service-gateway.js'
import { examine, formatReport, thisHost } from './host/doctor.js'
import { LinuxHost } from './host/host-control.js'
import { HostWatch } from './host/host-watch.js'
import { Journal, type Occurrence } from './journal/journal.js'
import { PROBE_INTERFACE } from './host/interfaces.js'
import { lockInstance } from './host/instance.js'
import { FileJournal } from './host/journal.js'
import { followLevelSignal, openLog } from './log.js'
import { Listeners } from './listen/listeners.js'
import { openPacketQueues, RawSockets } from './host/raw-socket.js'
import { DatabaseMetrics } from './metrics/database-metrics.js'
import { ProcessMetrics } from './metrics/process-metrics.js'
import { Undo } from './change/undo.js'
import { Webhooks } from './control/webhook-control.js'

/** Exit statuses of the command, told in its help. */
export const Exit = { ok: 0, failed: 1, usage: 2, host: 3 } as const

/** How long answers in flight may take once we are told to stop. */
const FINISH_MS = 10_000
/** How often the files of certificates are looked at, and the use of tokens is written down. */
const CERTIFICATES_MS = 10_000
const TOUCH_MS = 60_000
/** Mean lateness of the main thread within a second at which new work is refused. */
const EVENT_LOOP_DELAY_MS = 2000
/** How often memory for new connections is looked after: less than it takes to use the reserve. */
const RESERVE_MS = 100

/** Runs until told to stop; resolves with the exit status. */
export async function serve(config: Config): Promise<number> {
  const report = await examine(config, thisHost)
  const problems = formatReport(report, 'warning')
  if (problems !== '') process.stderr.write(`${problems}\n`)
  if (report.severity === 'fatal') {
    process.stderr.write('sluice cannot run on this host; `sluice doctor` has the whole report\n')
    return Exit.host
  }
  const { logger, close } = openLog(config.logLevel)
  const undo = new Undo(logger)
  undo.push('log', close)
  // The dataplane tells itself when it was refused its priority.
  for (const { check, message } of report.findings)
    if (check === 'tunnels') logger.warn({ remedy: 'sluice doctor' }, message)
  undo.push('log level', followLevelSignal(logger, config.logLevel))
  const told = waitForSignal(logger)
  try {
    const urls = await start(config, report.interfaces, logger, undo, told)
    const names = report.interfaces.join(' ')
    process.stdout.write(
      `sluice ready: API ${urls.join(' ')}, interfaces ${names}, driver ${config.driver}\n`,
    )
    logger.info({ urls, interfaces: report.interfaces, driver: config.driver }, 'ready')
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

/** Starts every part, each with what undoes it; returns the addresses of the API. */
async function start(
  config: Config,
  interfaces: string[],
  logger: Logger,
  undo: Undo,
  told: Told,
): Promise<string[]> {
  const lock = await lockInstance()
  undo.push('instance lock', () => lock.release())
  const database = openDatabase(config.database)
  undo.push('database', () => database.close())
  const databaseMetrics = new DatabaseMetrics(database)

  const network = await openProbeNetwork(config, logger, undo)
  const alsoRead = network === null ? [] : [PROBE_INTERFACE]
  const host = new LinuxHost({
    driver: config.driver,
    ...{ interfaces, alsoRead },
    journal: new FileJournal(`${resolve(config.database)}.host`),
    logger,
    stillHeld: async endpoints => {
      const asked = await dataplane.call({ op: 'guarded', endpoints: [...endpoints] })
      return asked.held
    },
  })
  undo.push('host', () => host.stop())
  await host.start()

  const packetQueues = config.driver === 'raw-socket' ? openPacketQueues() : undefined
  const { driver, busyPollUs } = config
  const read = { driver, interfaces: [...interfaces, ...alsoRead], busyPollUs }
  const worker = { ...read, ...(packetQueues && { packetQueues }) }
  const journal = new Journal({ database, logger })
  undo.push('journal', () => {
    journal.record({ type: 'appliance.stopped', class: 'state', actor: SYSTEM })
    journal.close()
  })
  const dataplane = openDataplane(config, worker, { logger, onPhase: tellOfDataplane(journal) })
  if (packetQueues) {
    const sockets = new RawSockets({ queues: packetQueues, logger })
    undo.push('raw sockets', () => sockets.close())
    sockets.open()
  }
  const connections = new SharedConnections(...memoriesOf(dataplane))
  const reserving = keepReserve(dataplane)
  undo.push('memory reserve', () => clearInterval(reserving))
  const listeners = [journal]
  const { checkCommands: commandFolder, checkFiles: fileFolder } = config
  const gateway = network && gatewayThrough(dataplane, network)
  const record = (...all: readonly Occurrence[]) => journal.record(...all)
  const lost = tellOfHealthThreads(journal)
  const engine = new HealthEngine({ logger, commandFolder, fileFolder, gateway, lost })
  const { author } = journal
  const parts = {
    database,
    dataplane,
    host,
    connections,
    logger,
    listeners,
    engine,
    record,
    author,
  }
  const platform = {
    ...{ serviceProbes: network !== null },
    ...{ commands: commandFolder !== null, files: fileFolder !== null },
  }
  const control = createControl({ ...parts, platform })
  undo.push('control', () => control.stop())
  const processMetrics = new ProcessMetrics()
  control.metrics.before(processMetrics.prepare)
  control.metrics.add(databaseMetrics.collect, processMetrics.collect)
  told.throwIfTold()
  await control.start()
  const watch = new HostWatch({ verify: () => mend(host, dataplane, logger) })
  undo.push('host checks', () => watch.close())

  told.throwIfTold()
  const tokens = new Tokens({ database, onChange: (...change) => journal.tokenChanged(...change) })
  undo.push('tokens', () => tokens.flush())
  const flushing = setInterval(() => tokens.flush(), TOUCH_MS)
  undo.push('uses of tokens', () => clearInterval(flushing))
  const gate = new Gate({ tokens, open: config.noAuth })
  const { requestsPerMinute } = config
  const defences = { requestsPerMinute, eventLoopDelayMs: EVENT_LOOP_DELAY_MS }
  const webhooks = new Webhooks({ database, journal, logger, commandFolder: config.notifyCommands })
  undo.push('webhooks', () => webhooks.stop())
  webhooks.start()
  const noting = setInterval(() => webhooks.flush(), TOUCH_MS)
  undo.push('positions of webhooks', () => clearInterval(noting))
  const access = { gate, tokens, journal, webhooks }
  const app = buildApp({ control, access, defences, logger })
  return serveApi(app, config, { logger, undo, journal })
}

/** Puts back on the host what somebody took off, and announces the addresses among it. */
async function mend(host: LinuxHost, dataplane: Dataplane, logger: Logger): Promise<void> {
  try {
    for (const each of await host.verify())
      void dataplane.call({ op: 'announce', ...each }).catch(ignore)
  } catch (error) {
    logger.warn({ reason: messageOf(error) }, 'the host could not be checked')
  }
}

/** Null when nobody asked for it; what a Sluice that was killed left is cleared away all the same. */
async function openProbeNetwork(
  { serviceProbes }: Config,
  logger: Logger,
  undo: Undo,
): Promise<ProbeNetwork | null> {
  const network = await ownProbeNetwork()
  if (!serviceProbes) {
    await network.clear()
    return null
  }
  undo.push('probe network', () => network.close())
  const reason = await network.open()
  if (reason !== null) logger.warn({ reason }, 'health checks through services have no IPv6 here')
  return network
}

function openDataplane(
  { workers, connsMax }: Config,
  worker: Pick<WorkerConfig, 'driver' | 'interfaces' | 'packetQueues' | 'busyPollUs'>,
  options: Pick<DataplaneOptions, 'logger' | 'onPhase'>,
): Dataplane {
  if (workers > 1) return new DataplaneFleet({ count: workers, connsMax, worker, ...options })
  return new DataplaneClient({ memory: allocate(connsMax), worker, ...options })
}

/** Memory that connections will need is fetched here, so that the worker need not wait for it. */
function keepReserve(dataplane: Dataplane): NodeJS.Timeout {
  const reserves = memoriesOf(dataplane).map(each => new ConnReserve(each.conns, each.control))
  return setInterval(() => {
    // Before that the worker has not yet said that it wants huge pages.
    if (dataplane.phase === 'ready') for (const reserve of reserves) reserve.extend()
  }, RESERVE_MS)
}

/** Serves the API wherever it was asked for; returns the addresses. */
async function serveApi(
  app: FastifyInstance,
  config: Config,
  { logger, undo, journal }: { logger: Logger; undo: Undo; journal: Journal },
): Promise<string[]> {
  const listeners = new Listeners(app)
  undo.push('API', () => listeners.close(FINISH_MS))
  await app.ready()
  let certificates: Certificates | null = null
  if (config.tlsCert !== '') {
    const note = (type: string, outcome: 'done' | 'failed', detail: object) =>
      journal.record({ type, class: 'state', actor: SYSTEM, outcome, detail })
    const onChange = (context: SecureContextOptions, certificate: string) => {
      listeners.renew(context)
      note('certificates.reloaded', 'done', { certificate })
    }
    const onRefused = (reason: string) => note('certificates.refused', 'failed', { reason })
    certificates = new Certificates({ files: config, logger, onChange, onRefused })
    const looking = setInterval(() => certificates?.look(), CERTIFICATES_MS)
    undo.push('certificates', () => clearInterval(looking))
  }
  process.on('SIGHUP', () => {
    const taken = certificates?.look() ?? false
    logger.info({ taken }, 'SIGHUP: looked for new certificates')
  })
  if (config.noAuth) warnOfOpenness(config, logger)
  const urls: string[] = []
  for (const address of config.listen)
    urls.push(await listeners.open(address, certificates?.context ?? null))
  if (config.adminSocket !== null) urls.push(await listeners.openAdmin(config.adminSocket))
  journal.record({ type: 'appliance.started', class: 'state', actor: SYSTEM, detail: { urls } })
  return urls
}

function warnOfOpenness({ listen }: Config, logger: Logger): void {
  const where = listen.map(address => urlOf(address))
  const text = `--no-auth: everybody who reaches ${where.join(' ')} may change everything`
  process.stderr.write(`sluice: WARNING: ${text}\n`)
  logger.warn({ listen: where }, text)
}

/** Writes down when traffic is carried and when it is not. */
function tellOfDataplane(journal: Journal): (phase: Phase, reason: string | null) => void {
  const types: Partial<Record<Phase, string>> = { ready: 'dataplane.ready', down: 'dataplane.lost' }
  let last = ''
  return (phase, reason) => {
    const type = types[phase] ?? last
    // A worker that is replaced is gone twice: when it is given up, and when it has ended.
    if (type === last) return
    last = type
    const outcome = phase === 'ready' ? 'done' : 'failed'
    const detail = reason === null ? null : { reason }
    journal.record({ type, class: 'state', outcome, actor: SYSTEM, detail })
  }
}

/** Writes down that checks paused, and why. */
function tellOfHealthThreads(journal: Journal): NonNullable<HealthEngineOptions['lost']> {
  return (via, reason) => {
    const detail = { via, reason }
    journal.record({
      ...{ type: 'healthChecks.lost', class: 'state', outcome: 'failed', actor: SYSTEM, detail },
    })
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
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal))
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
