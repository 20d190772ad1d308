/** Builds the HTTP server of the management API. Handlers only translate; rules are in control.ts. */
import { randomBytes } from 'node:crypto'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Logger } from 'pino'
import type { Gate } from './auth/gate.js'
import { conceal } from './auth/secret.js'
import type { Tokens } from './auth/tokens.js'
import type { Control } from './control.js'
import type { Journal } from './journal/journal.js'
import { ApiMetrics, journalMetrics, observeRequests } from './metrics/api-metrics.js'
import { addAccess } from './plugins/access.js'
import { addAudit } from './plugins/audit.js'
import { answerClientError } from './plugins/client-error.js'
import { addDefences, type Defences } from './plugins/defences.js'
import { addBodies } from './plugins/bodies.js'
import { addNotFound } from './plugins/not-found.js'
import { addOpenApi } from './plugins/openapi.js'
import { addProblems, sendProblem, toProblem } from './plugins/problems.js'
import { addRequestLog } from './plugins/request-log.js'
import { addValidation } from './plugins/validation.js'
import { addConfig } from './routes/config.js'
import { addEvents } from './routes/events.js'
import { addExchange } from './routes/exchange.js'
import { addDrains } from './routes/drains.js'
import { addHealthChecks } from './routes/health-checks.js'
import { addLive } from './routes/live.js'
import { addMaintenances } from './routes/maintenances.js'
import { addMarkRules } from './routes/mark-rules.js'
import { webhookMetrics } from './metrics/webhook-metrics.js'
import { addMetrics } from './routes/metrics.js'
import { addOperations } from './routes/operations.js'
import { addRealServers } from './routes/real-servers.js'
import { addServerChecks } from './routes/server-checks.js'
import { addSettings } from './routes/settings.js'
import { addSimulations } from './routes/simulations.js'
import { addSystem } from './routes/system.js'
import { addTokens } from './routes/tokens.js'
import { addVirtualServices } from './routes/virtual-services.js'
import { addWebhooks } from './routes/webhooks.js'
import type { Webhooks } from './control/webhook-control.js'

/** Who is let in, and who is told of what they do. */
export interface Access {
  gate: Gate
  tokens: Tokens
  journal: Journal
  webhooks: Webhooks
}

export interface AppOptions {
  control: Control
  access: Access
  /** Absent: none. */
  defences?: Defences
  logger?: Logger
}

export const BODY_LIMIT_OCTETS = 1024 * 1024
/** What a client may call its request, so that it finds it again in our log. */
const REQUEST_ID = /^[\w.-]{1,64}$/

/** Synchronous; `await app.listen(...)` or `await app.ready()` finishes it. */
export function buildApp({ control, access, defences, logger }: AppOptions): FastifyInstance {
  // Tells requests of one run from those of another in the log.
  const run = randomBytes(4).toString('hex')
  let requests = 0
  // As the base type, so that the type of the app does not depend on who logs.
  const loggerOption: { loggerInstance?: FastifyBaseLogger } =
    logger === undefined ? {} : { loggerInstance: logger }
  const app = Fastify({
    ...loggerOption,
    bodyLimit: BODY_LIMIT_OCTETS,
    // Longer than any name, so that a long one gets an answer of its own.
    routerOptions: { maxParamLength: 1024 },
    requestIdHeader: false,
    // One line a request, written by addRequestLog.
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id']
      if (typeof given === 'string' && REQUEST_ID.test(given)) return conceal(given)
      return `${run}-${(++requests).toString(36)}`
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => void sendProblem(toProblem(error), request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.decorateRequest('actor', null)
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id)
    done()
  })
  // The engine's own writer: it keeps every field and the order in which people expect them; that
  // answers are what their schemas say is for the tests to show.
  app.setSerializerCompiler(() => JSON.stringify)
  addProblems(app)
  addValidation(app)
  addBodies(app)
  addNotFound(app)
  addAccess(app, access.gate)
  addAudit(app, access.journal)
  addRequestLog(app)
  const requestsSeen = new ApiMetrics()
  observeRequests(app, requestsSeen)
  control.metrics.add(
    requestsSeen.collect,
    journalMetrics(access.journal),
    webhookMetrics(access.webhooks),
  )
  if (defences !== undefined) addDefences(app, defences)
  addOpenApi(app)
  // After the OpenAPI plugin, which listens to routes being added.
  void app.register((routes, _options, done) => {
    const typed = routes.withTypeProvider<TypeBoxTypeProvider>()
    addVirtualServices(typed, control)
    addRealServers(typed, control)
    addDrains(typed, control)
    addMaintenances(typed, control)
    addMarkRules(typed, control)
    addHealthChecks(typed, control)
    addServerChecks(typed, control)
    addSettings(typed, control)
    addConfig(typed, control)
    addOperations(typed, control)
    addLive(typed, control)
    addSimulations(typed, control)
    addTokens(typed, access.tokens)
    addExchange(typed, control)
    addEvents(typed, access)
    addWebhooks(typed, access.webhooks)
    addMetrics(typed, control)
    addSystem(typed, control)
    done()
  })
  return app
}
