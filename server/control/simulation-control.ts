/** The rules of /v1/simulations: what is asked, and names put to what the dataplane answers. */
import type { Simulation, SimulationRequest as PlaneRequest } from '../../dataplane/protocol.js'
import { DataplaneGone, OpRefused, type Dataplane } from '../dataplane/dataplane-client.js'
import type { Directory } from '../dataplane/directory.js'
import { Problem, problemOf } from '../errors.js'
import { Fields } from '../documents/fields.js'
import { Findings } from '../documents/findings.js'
import { parseAddress } from '../ip-address.js'
import { SimulationRequest } from '../schemas/simulation.js'
import { faultsOf, isObject, quote } from '../schemas/walk.js'
import { endpointOf, keyText } from '../documents/service-key.js'

export class SimulationControl {
  readonly #dataplane: Dataplane
  readonly #directory: Directory

  constructor(dataplane: Dataplane, directory: Directory) {
    this.#dataplane = dataplane
    this.#directory = directory
  }

  async run(body: unknown) {
    const simulation = this.#read(body)
    try {
      return this.#named(await this.#dataplane.call({ op: 'simulate', simulation }))
    } catch (error) {
      if (error instanceof DataplaneGone)
        throw new Problem('DATAPLANE_UNAVAILABLE', error.message, { cause: error })
      if (error instanceof OpRefused && error.code === 'EINVAL') {
        const detail = `The packet cannot be simulated: ${error.message}.`
        throw problemOf([{ pointer: '/packet', code: 'INVALID_VALUE', detail }])
      }
      throw error
    }
  }

  #read(body: unknown): PlaneRequest {
    const found = new Findings(faultsOf(SimulationRequest, body))
    if (!isObject(body)) throw problemOf(found.faults)
    const fields = new Fields(body, '', found)
    const packet = fields.has('packet') ? readPacket(fields) : readTuple(fields)
    const name = fields.get<string>('interface')
    const { ports } = this.#dataplane
    if (name !== undefined && !ports.some(port => port.name === name)) {
      const there = ports.map(port => port.name).join(', ')
      const detail = `The dataplane does not work on the interface ${name}, but on: ${there}.`
      fields.fault('interface', 'INTERFACE_NOT_FOUND', detail)
    }
    if (found.any || packet === null) throw problemOf(found.faults)
    return {
      packet,
      ...fields.optional<'interface', string>('interface'),
      ...fields.optional<'mark', number>('mark'),
    }
  }

  /** With the names that were configured; null for what is no longer there. */
  #named(plane: Simulation) {
    const { mark, service, realServers, ...rest } = plane
    const key = service === null ? null : keyText(service.key)
    const name = key === null ? null : this.#directory.serviceName(key)
    const rule = mark.rule === null ? null : (this.#directory.markRules.names()[mark.rule] ?? null)
    const nameOf = (server: { address: string; port: number }) =>
      name === null ? null : this.#directory.serverName(name, endpointOf(server))
    const { packet, direction, connection, template, decidedBy, ...way } = rest
    return {
      packet,
      mark: { value: mark.value, rule, used: mark.used },
      service:
        service === null
          ? null
          : {
              ...{ name, key: key!, lookup: service.lookup, scheduler: service.scheduler },
              random: service.random,
            },
      ...{ direction, connection, template, decidedBy },
      realServers: realServers.map(({ row: _, ...server }) => ({
        name: nameOf(server),
        ...server,
      })),
      ...way,
    }
  }
}

function readPacket(fields: Fields): PlaneRequest['packet'] | null {
  for (const other of ['protocol', 'client', 'virtual', 'tcpFlags']) {
    if (fields.has(other))
      fields.fault(other, 'CONFLICTING_FIELDS', `'packet' has '${other}' in itself.`)
  }
  const text = fields.get<string>('packet')
  if (text === undefined) return null
  const hex = text.replaceAll(/[\s:]/g, '')
  if (/^(?:[0-9a-fA-F]{2})+$/.test(hex)) return { hex }
  const detail = `${quote(text)} is not a row of octets in hexadecimal.`
  fields.fault('packet', 'INVALID_VALUE', detail, 'Two digits an octet, from the IP header on.')
  return null
}

function readTuple(fields: Fields): PlaneRequest['packet'] | null {
  for (const needed of ['protocol', 'client', 'virtual']) {
    if (fields.has(needed)) continue
    const detail = `The field '${needed}' is missing.`
    fields.fault(needed, 'MISSING_FIELD', detail, "Or give the whole packet as 'packet'.")
  }
  const protocol = fields.get<'tcp' | 'udp' | 'sctp'>('protocol')
  if (protocol !== undefined && protocol !== 'tcp' && fields.has('tcpFlags'))
    fields.fault('tcpFlags', 'CONFLICTING_FIELDS', "'tcpFlags' needs protocol 'tcp'.")
  const client = readEndpoint(fields, 'client')
  const virtual = readEndpoint(fields, 'virtual')
  if (client === null || virtual === null || protocol === undefined) return null
  if (client.family !== virtual.family) {
    const detail = `Client and virtual address are of different families.`
    fields.fault('virtual', 'FAMILY_MISMATCH', detail)
    return null
  }
  const { address, port } = client
  return {
    ...{ protocol, client: { address, port } },
    virtual: { address: virtual.address, port: virtual.port },
    ...fields.optional<'tcpFlags', string>('tcpFlags'),
  }
}

function readEndpoint(fields: Fields, name: string) {
  const inner = fields.inner(name)
  const text = inner?.get<string>('address')
  const port = inner?.get<number>('port')
  const parsed = text === undefined ? null : parseAddress(text)
  if (text !== undefined && parsed === null)
    inner!.fault('address', 'INVALID_ADDRESS', `${quote(text)} is neither IPv4 nor IPv6.`)
  return parsed === null || port === undefined
    ? null
    : { family: parsed.family, address: parsed.text, port }
}
