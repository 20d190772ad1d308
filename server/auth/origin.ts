/** By which way a request came in. A request that came by none of ours has to show everything. */
import type { IncomingMessage } from 'node:http'

/** The admin socket, whose file permission is its key, or any other listener. */
export type Origin = 'admin-socket' | 'listener'

const origins = new WeakMap<IncomingMessage, Origin>()

export const setOrigin = (request: IncomingMessage, origin: Origin) =>
  void origins.set(request, origin)

export const originOf = (request: IncomingMessage): Origin => origins.get(request) ?? 'listener'
