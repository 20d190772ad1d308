import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Control } from './control.js'

export interface AppOptions {
  control: Control
  logger?: Logger
}
/** Synchronous; `await app.listen(...)` or `await app.ready()` finishes it. */
export declare function buildApp(options: AppOptions): FastifyInstance
