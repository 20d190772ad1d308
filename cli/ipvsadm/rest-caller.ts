/** Requests of the ipvsadm backend, which wants to see refusals as they are: the kernel's are others. */
import { connect, type Session } from '../client/client.js'
import type { ClientTls } from '../client/certificates.js'
import { Unreachable, type ApiAddress } from '../client/address.js'

export interface ApiAnswer {
  status: number
  body: unknown
}

export class RestCaller {
  readonly #session: Session

  /** `token` is shown with every request, if there is one. */
  constructor(address: ApiAddress, token?: string, tls: ClientTls = {}) {
    this.#session = connect(address, token ? token : null, tls)
  }

  /** The answer whatever its status but 401; rejects with Unreachable when there is none. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const answer = await this.#session.fetch(path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const content = this.#parse(await answer.text())
    if (answer.status === 401) throw this.#denied(content)
    return { status: answer.status, body: content }
  }

  close(): void {
    this.#session.close()
  }

  #parse(text: string): unknown {
    if (text === '') return null
    try {
      return JSON.parse(text) as unknown
    } catch (cause) {
      const { name } = this.#session
      const what = `cannot reach the API at ${name}: what answers there does not speak JSON`
      throw new Unreachable(what, { cause })
    }
  }

  #denied(body: unknown): Unreachable {
    const { detail = '' } = (body ?? {}) as { detail?: string }
    return new Unreachable(
      `the API at ${this.#session.name} does not let us in: ${detail} Put a token into ` +
        'SLUICE_TOKEN, or use the admin socket as its owner.',
    )
  }
}
