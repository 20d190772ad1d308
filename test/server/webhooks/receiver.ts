/** Somebody who is told: a real HTTP or HTTPS server that keeps what it got and answers as it is told to. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ServerOptions } from 'node:https'

export interface Received {
  headers: IncomingHttpHeaders
  text: string
}

export class Receiver {
  readonly got: Received[] = []
  /** What the next requests are answered with; 204 when there is nothing left. */
  readonly answers: ((response: ServerResponse) => void)[] = []
  readonly url: string
  readonly close: () => Promise<void>
  #waiting: { count: number; resolve: () => void }[] = []

  private constructor(server: ReturnType<typeof createServer>, origin: string) {
    this.url = `${origin}:${(server.address() as AddressInfo).port}/told`
    this.close = () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    server.on('request', (request, response) => {
      let text = ''
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      request.on('end', () => {
        this.got.push({ headers: request.headers, text })
        const reply = this.answers.shift() ?? (to => to.writeHead(204).end())
        reply(response)
        for (const { count, resolve } of this.#waiting) if (this.got.length >= count) resolve()
      })
    })
  }

  /** With `tls` at https://localhost, which its certificate should be for. */
  static open(tls?: ServerOptions): Promise<Receiver> {
    const server = tls === undefined ? createServer() : createSecureServer(tls)
    const origin = tls === undefined ? 'http://127.0.0.1' : 'https://localhost'
    return new Promise(resolve =>
      server.listen(0, '127.0.0.1', () => resolve(new Receiver(server, origin))),
    )
  }

  /** Resolves when so many requests have come in. */
  has(count: number): Promise<void> {
    if (this.got.length >= count) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ count, resolve }))
  }

  /** The types of the events, in the order in which they came. */
  get types(): unknown[] {
    return this.got.map(({ headers }) => headers['sluice-event'])
  }
}

/** Turns of the event loop until it is so; the test's own time limit ends what never comes. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}
