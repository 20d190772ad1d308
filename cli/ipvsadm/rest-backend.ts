/**
 * ipvsadm's backend in front of an appliance. Services and real servers are found by address, port
 * and protocol (or mark), whatever they are called in the API; new ones get names of their own.
 */
import type { Static } from 'typebox'
import type { ConnectionList } from '../../server/schemas/live.js'
import { IPVS } from '../../server/live/text-tables.js'
import { Additions, type Addition } from './additions.js'
import type { ApiAnswer, RestCaller } from './rest-caller.js'
import { KernelError, type Backend } from './backend.js'
import { kernelOrder } from '../../server/ipvsadm/kernel-order.js'
import type * as model from '../../server/ipvsadm/model.js'
import * as documents from '../../server/ipvsadm/documents.js'
import type { ServerDocument, ServiceDocument } from '../../server/ipvsadm/documents.js'
import { isGood, kernelError, problemCode, problemDetail } from './rest-errors.js'
import { candidates, serverName, serviceName } from '../../server/ipvsadm/object-names.js'

const SERVICES = '/v1/virtual-services'
const PAGE = 1000
/** The newest revision. */
const HEAD = '/v1/config/revisions?limit=1'
const CREATE_ONLY = { 'if-none-match': '*' }
const NO_SYNC = 'Synchronisation of connections is not there yet'

export class RestBackend implements Backend {
  readonly #api: RestCaller
  /** Names of services by key, as learnt in this run: a restore asks for each only once. */
  readonly #names = new Map<string, string>()

  constructor(api: RestCaller) {
    this.#api = api
  }

  async info() {
    return IPVS
  }

  async addService(service: model.ServiceSpec) {
    const { key } = service
    const document = documents.serviceDocument(service)
    for (const name of candidates(serviceName(key))) {
      let answer = await this.#create(`${SERVICES}/${name}`, document)
      // The kernel leaves the address to others; so do we where no interface is right for it.
      if (problemCode(answer) === 'INTERFACE_NOT_FOUND')
        answer = await this.#create(`${SERVICES}/${name}`, { ...document, manageAddress: false })
      if (isGood(answer)) {
        this.#names.set(documents.keyText(key), name)
        return
      }
      // That a service is there already comes before everything that is wrong with the new one.
      if ((await this.#lookUp(key)) !== null) throw new KernelError('EEXIST')
      if (problemCode(answer) !== 'PRECONDITION_FAILED') throw kernelError(answer)
    }
  }

  async editService(service: model.ServiceSpec) {
    const name = await this.#name(service.key)
    const options = documents.serviceOptions(service)
    // A merge patch: what is not named stays, and an engine has to be named to go.
    const engine = service.engine === '' ? { engine: null } : {}
    const persistence = options.persistence && { ...options.persistence, ...engine }
    await this.#must('PATCH', `${SERVICES}/${name}`, { ...options, persistence })
  }

  async delService(key: model.ServiceKey) {
    const name = await this.#name(key)
    this.#names.delete(documents.keyText(key))
    await this.#must('DELETE', `${SERVICES}/${name}`)
  }

  async addDest(key: model.ServiceKey, dest: model.DestSpec) {
    const service = await this.#name(key)
    checkThresholds(dest)
    const document = documents.serverDocument(dest)
    for (const name of candidates(serverName(dest))) {
      const answer = await this.#create(serverPath(service, name), document)
      if (isGood(answer)) return
      const there = findServer(await this.#find(key), dest)
      if (there !== null) {
        if (documents.isThere(there)) throw new KernelError('EEXIST')
        const { labels } = there
        const enabled = { ...document, labels, adminState: 'enabled' }
        await this.#must('PUT', serverPath(service, there.name), enabled)
        return
      }
      if (problemCode(answer) !== 'PRECONDITION_FAILED') throw kernelError(answer)
    }
  }

  async editDest(key: model.ServiceKey, dest: model.DestSpec) {
    const service = await this.#find(key)
    checkThresholds(dest)
    const { name } = mustFindServer(service, dest)
    const { tunnel, ...options } = documents.serverOptions(dest)
    // A port that an earlier type of tunnel had must go.
    const patched = tunnel && { port: null, ...tunnel }
    const path = serverPath(service.name, name)
    await this.#must('PATCH', path, { ...options, tunnel: patched })
  }

  async delDest(key: model.ServiceKey, dest: model.DestKey) {
    const service = await this.#find(key)
    await this.#must('DELETE', serverPath(service.name, mustFindServer(service, dest).name))
  }

  async addAll(lines: readonly Addition[]) {
    // Read first: what is written is refused when anything has changed since.
    const heads: { items: { revision: number }[] } = await this.#must('GET', HEAD)
    const additions = new Additions(await this.#all(''))
    const codes = lines.map(line => additions.take(line))
    const etag = { 'if-match': `"${heads.items[0]?.revision ?? 0}"` }
    const unmanaged = new Set<string>()
    for (;;) {
      const changes = additions.changes(unmanaged)
      if (changes.length === 0) return codes
      const answer = await this.#api.call('POST', '/v1/changesets', changes, etag)
      if (isGood(answer)) return codes
      // As with a single service: addresses that no interface is right for are left to others.
      const homeless = homelessOf(answer, additions.addresses()).filter(
        each => !unmanaged.has(each),
      )
      if (homeless.length === 0) return null
      for (const address of homeless) unmanaged.add(address)
    }
  }

  /** In one request: no packet meets half a table. */
  async flush() {
    this.#names.clear()
    await this.#must('PATCH', '/v1/config', { virtualServices: null })
  }

  async zero(key: model.ServiceKey | null) {
    const body = key === null ? {} : { service: await this.#name(key) }
    await this.#must('POST', '/v1/stats/zero', body)
  }

  async services() {
    const newestFirst = documents.newestFirst(await this.#all(''))
    return kernelOrder(newestFirst.map(documents.listedService))
  }

  async service(key: model.ServiceKey) {
    return documents.listedService(await this.#find(key))
  }

  async connections() {
    const path = `/v1/connections?limit=${PAGE}`
    const connections: model.Connection[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: Static<typeof ConnectionList> = await this.#must('GET', `${path}${cursor}`)
      connections.push(...page.items.map(documents.listedConnection))
      cursor = cursorOf(page.nextCursor)
    }
    return connections
  }

  async timeouts() {
    const { timeouts }: Settings = await this.#must('GET', '/v1/settings')
    const { tcpSeconds, tcpFinSeconds, udpSeconds } = timeouts
    return { tcpS: tcpSeconds, tcpFinS: tcpFinSeconds, udpS: udpSeconds }
  }

  async setTimeouts({ tcpS, tcpFinS, udpS }: model.Timeouts) {
    const timeouts = {
      ...(tcpS === 0 ? {} : { tcpSeconds: tcpS }),
      ...(tcpFinS === 0 ? {} : { tcpFinSeconds: tcpFinS }),
      ...(udpS === 0 ? {} : { udpSeconds: udpS }),
    }
    await this.#must('PATCH', '/v1/settings', { timeouts })
  }

  async daemons(): Promise<model.DaemonSpec[]> {
    return []
  }

  async startDaemon(): Promise<void> {
    throw new KernelError('NO_SYNC', NO_SYNC)
  }

  async stopDaemon(): Promise<void> {
    throw new KernelError('NO_SYNC', NO_SYNC)
  }

  async #name(key: model.ServiceKey): Promise<string> {
    return this.#names.get(documents.keyText(key)) ?? (await this.#find(key)).name
  }

  async #find(key: model.ServiceKey): Promise<ServiceDocument> {
    const found = await this.#lookUp(key)
    if (found === null) throw new KernelError('ESRCH')
    return found
  }

  async #lookUp(key: model.ServiceKey): Promise<ServiceDocument | null> {
    const wanted = documents.keyText(key)
    const matching = await this.#all(`&${documents.queryOf(key)}`)
    const found = matching.find(each => documents.keyText(documents.keyOf(each)) === wanted)
    if (found === undefined) return null
    this.#names.set(wanted, found.name)
    return found
  }

  async #all(query: string): Promise<ServiceDocument[]> {
    const path = `${SERVICES}?limit=${PAGE}${query}`
    const services: ServiceDocument[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { items: ServiceDocument[]; nextCursor: string | null } = await this.#must(
        'GET',
        `${path}${cursor}`,
      )
      services.push(...page.items)
      cursor = cursorOf(page.nextCursor)
    }
    return services
  }

  #create(path: string, document: unknown): Promise<ApiAnswer> {
    return this.#api.call('PUT', path, document, CREATE_ONLY)
  }

  /** The body of a good answer; any other is the kernel's refusal. */
  async #must<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.#api.call(method, path, body)
    if (!isGood(answer)) throw kernelError(answer)
    return answer.body as T
  }
}

/** Addresses that the host has no interface for, as far as the API says. */
function homelessOf(answer: ApiAnswer, addresses: ReadonlySet<string>): string[] {
  if (problemCode(answer) !== 'INTERFACE_NOT_FOUND') return []
  const words = problemDetail(answer).split(/[\s',]+/)
  return words.map(word => word.replace(/[.:]$/, '')).filter(word => addresses.has(word))
}

interface Settings {
  timeouts: { tcpSeconds: number; tcpFinSeconds: number; udpSeconds: number }
}

const serverPath = (service: string, name: string) => `${SERVICES}/${service}/real-servers/${name}`

const cursorOf = (next: string | null): string | null =>
  next === null ? null : `&cursor=${encodeURIComponent(next)}`

const findServer = (service: ServiceDocument, dest: model.DestKey): ServerDocument | null =>
  Object.values(service.realServers).find(
    ({ address, port }) => address === dest.address && port === dest.port,
  ) ?? null

function mustFindServer(service: ServiceDocument, dest: model.DestKey): ServerDocument {
  const found = findServer(service, dest)
  if (found === null || !documents.isThere(found)) throw new KernelError('ENOENT')
  return found
}

/** The kernel looks at them before it looks whether the real server is there. */
function checkThresholds({ upperThreshold, lowerThreshold }: model.DestSpec): void {
  if (lowerThreshold > upperThreshold) throw new KernelError('ERANGE')
}
