/**
 * Sends what the document shows: each operation's example, over HTTP, to a whole appliance in which
 * what the examples speak of exists.
 */
import type { Media, Operation, Parameter } from '../../../server/openapi/document.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'
import { FakeEngine } from '../fixtures/fake-engine.js'
import { startAppliance, type Appliance } from '../fixtures/appliance.js'
import { document } from './published.js'

export interface Shown extends Operation {
  method: string
  path: string
}
export interface Answered {
  status: number
  headers: Headers
  /** Whole, or the first piece of what has no end. */
  text: string
}

export const shown: readonly Shown[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, each]) => ({
    path,
    method: method.toUpperCase(),
    ...each,
  })),
)

export class Stage {
  readonly #appliance: Appliance<EngineDataplane>
  readonly #origin: string

  private constructor(appliance: Appliance<EngineDataplane>, origin: string) {
    this.#appliance = appliance
    this.#origin = origin
  }

  /** An appliance with everything that can be created by name, as the examples create it. */
  static async open(): Promise<Stage> {
    const appliance = await startAppliance({
      dataplane: new EngineDataplane(256),
      engine: new FakeEngine(),
    })
    const origin = await appliance.app.listen({ host: '127.0.0.1', port: 0 })
    const stage = new Stage(appliance, origin)
    for (const name of ['putVirtualService', 'putMarkRule', 'putHealthCheck'])
      await stage.must(name)
    return stage
  }

  async close(): Promise<void> {
    this.#appliance.app.server.closeAllConnections()
    await this.#appliance.close()
  }

  /** Gives the real server of the examples a check of each kind that they speak of. */
  async checkServer(): Promise<void> {
    const inline = { web: { kind: 'external' } }
    const url = '/v1/virtual-services/web/real-servers/a'
    await this.#appliance.send('PATCH', url, { healthChecks: { inline } })
  }

  /** One that reaches nobody: what the example names would be looked for in the world. */
  async addWebhook(): Promise<void> {
    await this.#appliance.send('PUT', '/v1/webhooks/pager', { url: 'http://127.0.0.1:9/' })
  }

  /** The operation of this name as it is shown; anything but success is an error. */
  async must(operationId: string): Promise<Answered> {
    const operation = shown.find(each => each.operationId === operationId)
    if (operation === undefined) throw new Error(`there is no operation ${operationId}`)
    const answer = await this.play(operation)
    if (answer.status < 200 || answer.status > 299)
      throw new Error(`${operationId}: ${answer.status} ${answer.text}`)
    return answer
  }

  /** One operation with the body of one media type; `changed` replaces parameters by name. */
  async play(
    operation: Shown,
    type = mediaTypes(operation)[0],
    changed: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const media = type === undefined ? undefined : operation.requestBody!.content[type]
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
    for (const { name, example } of parametersIn(operation, 'header'))
      if (example !== undefined) headers[name] = textOf(example)
    const response = await fetch(this.#origin + urlOf(operation, changed), {
      method: operation.method,
      headers,
      ...(media === undefined ? {} : { body: bodyOf(media) }),
      signal: AbortSignal.timeout(20_000),
    })
    const endless = response.headers.get('content-type')?.startsWith('text/event-stream')
    const answer = endless ? await firstPiece(response) : await response.text()
    return { status: response.status, headers: response.headers, text: answer }
  }
}

export const mediaTypes = ({ requestBody }: Shown): string[] =>
  Object.keys(requestBody?.content ?? {})

/** The path with the examples of its parameters. */
export function urlOf(operation: Shown, changed: Readonly<Record<string, string>> = {}): string {
  const value = ({ name, example }: Parameter) => changed[name] ?? textOf(example)
  let path = operation.path
  for (const parameter of parametersIn(operation, 'path'))
    path = path.replace(`{${parameter.name}}`, encodeURIComponent(value(parameter)))
  const query = new URLSearchParams()
  for (const parameter of parametersIn(operation, 'query'))
    if (parameter.example !== undefined || parameter.required)
      query.append(parameter.name, value(parameter))
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

export const parametersIn = ({ parameters = [] }: Shown, place: string): Parameter[] =>
  parameters.filter(each => each.in === place)

const bodyOf = ({ example }: Media): string => textOf(example)

const textOf = (example: unknown): string =>
  typeof example === 'string' ? example : JSON.stringify(example)

async function firstPiece(response: Response): Promise<string> {
  const reader = response.body!.getReader()
  const piece = await reader.read()
  await reader.cancel()
  return new TextDecoder().decode(piece.value as Uint8Array | undefined)
}
