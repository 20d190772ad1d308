/** Reads what `ipvsadm -S` wrote, with the parser of `sluice ipvsadm`. */
import { schedulers } from '../../dataplane/ipvs/sched/index.js'
import type {
  DestConfig,
  SchedulerName,
  ServiceConfig,
  ServiceKey,
} from '../../dataplane/protocol.js'
import { endpointOf } from '../../server/documents/service-key.js'
import { keyText } from '../../server/documents/service-key.js'
import { parse } from '../../server/ipvsadm/arguments.js'
import type { CommandLine } from '../../server/ipvsadm/command-line.js'
import { Failure } from '../../server/ipvsadm/failure.js'
import type { DestSpec, ServiceKey as ModelKey, ServiceSpec } from '../../server/ipvsadm/model.js'
import { hostNames, type Names } from '../../server/ipvsadm/names.js'
import { schedulerFlagNames } from '../../server/ipvsadm/values.js'
import { ConfigurationError, type NamedService, type ReplayConfiguration } from './configuration.js'
import { NO_TIMEOUTS } from './network-plan.js'

/** Throws ConfigurationError with every line that is wrong. */
export async function readIpvsadm(
  path: string,
  text: string,
  names: Names = hostNames(),
): Promise<ReplayConfiguration> {
  const table = new Table()
  const faults: string[] = []
  for (const [i, line] of text.split('\n').entries()) {
    const words = line.split(/\s+/).filter(word => word !== '')
    if (words[0] === 'ipvsadm') words.shift()
    if (words.length === 0 || words[0]!.startsWith('#')) continue
    try {
      table.apply(await parse(words, names))
    } catch (error) {
      if (!(error instanceof Failure || error instanceof Refusal)) throw error
      faults.push(`${path}:${i + 1}: ${error.message.trim()}`)
    }
  }
  if (faults.length > 0) throw new ConfigurationError(faults)
  const { timeouts } = table
  const services = [...table.services.values()]
  return { services, markRules: [], settings: {}, timeouts, network: null }
}

class Refusal extends Error {}

class Table {
  readonly services = new Map<string, NamedService>()
  timeouts: ReplayConfiguration['timeouts'] = { ...NO_TIMEOUTS }

  apply(line: CommandLine): void {
    switch (line.command) {
      case 'add':
        return this.#addService(line.service)
      case 'addServer':
        return this.#addServer(line.key, line.dest)
      case 'timeouts':
        this.timeouts = line.timeouts
        return
      default:
        throw new Refusal('only -A, -a and --set lines can be replayed')
    }
  }

  #addService(spec: ServiceSpec): void {
    const config = serviceConfig(spec)
    const name = keyText(config.key)
    if (this.services.has(name)) throw new Refusal(`Service already exists: ${name}`)
    const rest = { manageAddress: true, interfaceName: null, servers: [] }
    this.services.set(name, { name, config, ...rest })
  }

  #addServer(key: ModelKey, spec: DestSpec): void {
    const service = this.services.get(keyText(serviceKey(key)))
    if (service === undefined) throw new Refusal('Service not defined')
    const config = destConfig(spec)
    const name = endpointOf(config)
    if (service.servers.some(server => server.name === name))
      throw new Refusal(`Destination already exists: ${name}`)
    service.servers.push({ name, config })
  }
}

function serviceKey(key: ModelKey): ServiceKey {
  const family = key.family === 4 ? 'ipv4' : 'ipv6'
  if (key.fwmark !== 0) return { family, fwmark: key.fwmark }
  return { family, protocol: key.protocol, address: key.address, port: key.port }
}

function serviceConfig(spec: ServiceSpec): ServiceConfig {
  if (!Object.hasOwn(schedulers, spec.scheduler) || (spec.engine !== '' && spec.engine !== 'sip'))
    throw new Refusal('Scheduler or persistence engine not found')
  const isSip = spec.engine === 'sip'
  const engine = isSip ? { engine: 'sip' as const } : {}
  return {
    key: serviceKey(spec.key),
    scheduler: spec.scheduler as SchedulerName,
    schedulerFlags: schedulerFlagNames(spec.schedulerFlags, spec.scheduler),
    persistence: spec.persistence === null ? null : { ...spec.persistence, ...engine },
    ...(isSip && spec.persistence === null ? { persistenceEngine: 'sip' as const } : {}),
    onePacket: spec.onePacket,
  }
}

function destConfig(spec: DestSpec): DestConfig {
  const { address, port, weight, upperThreshold, lowerThreshold } = spec
  if (spec.forwarding === 'bypass') throw new Refusal('no command line names that method')
  const tunnel = spec.forwarding === 'tunnel' ? spec.tunnel : null
  const limits = { upperThreshold, lowerThreshold }
  return { address, port, weight, forwarding: spec.forwarding, tunnel, ...limits }
}
