/** The OpenAPI document, 3.1 and 3.0, from the schemas of the routes, and its pages at /docs. */
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { isOpenApi, withExamples, type OpenApi } from '../openapi/document.js'
import { toThreeZero } from '../openapi/three-zero.js'
import { sharedSchemas } from '../schemas/components.js'
import { SCOPE_HELP, SCOPES } from '../auth/scope.js'
import { version } from '../version.js'

const DESCRIPTION = `
Layer-4 load balancing, managed by documents with names. PUT creates or replaces and can be
repeated; PATCH is a merge patch; a write answers when the dataplane has applied it. Errors are RFC
9457 problem details with every fault listed. ETag and If-Match guard against overwriting.
`

/**
 * The page loads from here alone, asks here alone, and nothing frames it. The hash is of the only
 * style that Swagger UI writes into it; a browser says so in a test when that changes.
 */
const PAGE_CSP = [
  ...["default-src 'none'", "base-uri 'none'", "connect-src 'self'", "font-src 'self' data:"],
  ...["form-action 'self'", "frame-ancestors 'none'", "img-src 'self' data:", "script-src 'self'"],
  "style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
].join('; ')

type SecuritySchemes = NonNullable<
  NonNullable<NonNullable<FastifyDynamicSwaggerOptions['openapi']>['components']>['securitySchemes']
>

/** The types that come with the plugin know OpenAPI 3.0 only, which has no mutualTLS. */
const SCHEMES: object = {
  token: {
    type: 'http',
    scheme: 'bearer',
    description:
      'A token, as `sluice token create --scope …` mints it on the appliance. Scopes: ' +
      `${SCOPES.map(scope => `\`${scope}\`: ${SCOPE_HELP[scope]}`).join('; ')}.`,
  },
  clientCertificate: {
    type: 'mutualTLS',
    description:
      'A certificate of the CA of --tls-client-ca. Its common name says who, its ' +
      'organisational unit `sluice-SCOPE` what its holder may do.',
  },
}

export function addOpenApi(app: FastifyInstance): void {
  for (const schema of sharedSchemas()) app.addSchema(schema)
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sluice',
        version,
        description: DESCRIPTION.trim().replaceAll('\n', ' '),
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'This appliance.' }],
      tags: [
        { name: 'Virtual services', description: 'What clients connect to.' },
        { name: 'Real servers', description: 'Who serves them.' },
        { name: 'Maintenances', description: 'Hosts that are drained as a whole, and when.' },
        { name: 'Mark rules', description: 'Which packets carry which firewall mark.' },
        { name: 'Health checks', description: 'What finds out which real servers work.' },
        { name: 'Settings', description: 'The knobs of IPVS.' },
        { name: 'Configuration', description: 'Everything as one document, with its history.' },
        { name: 'Live state', description: 'Connections, counters, interfaces.' },
        { name: 'Access', description: 'Who may do what.' },
        { name: 'Import and export', description: 'ipvsadm-save and keepalived.conf.' },
        { name: 'Events', description: 'What happened, and who did it.' },
        { name: 'Webhooks', description: 'Who is told of it.' },
        { name: 'System', description: 'Version, health, error codes.' },
      ],
      components: { securitySchemes: SCHEMES as SecuritySchemes },
      security: [{ token: [] }, { clientCertificate: [] }],
    },
    // Components keep their names instead of def-0, def-1, ...
    refResolver: { buildLocalReference: json => json.$id as string },
    transformObject: parts => withExamples(documentIn(parts)) as object,
  })
  void app.register((routes, _options, done) => {
    const schema = { hide: true }
    routes.get('/openapi.json', { schema }, () => openApiOf(app))
    routes.get('/openapi-3.0.json', { schema }, () => openApi30Of(app))
    done()
  })
  void app.register(swaggerUi, {
    routePrefix: '/docs',
    // Everything comes from this server: the page works without the Internet.
    uiConfig: { validatorUrl: null, docExpansion: 'list', tryItOutEnabled: true },
    theme: { title: 'Sluice API' },
    staticCSP: PAGE_CSP,
  })
}

/** The document of the routes that are there, as OpenAPI 3.1. */
export const openApiOf = (app: FastifyInstance): OpenApi =>
  documentIn({ openapiObject: app.swagger() })

/** The same as OpenAPI 3.0.3. */
export const openApi30Of = (app: FastifyInstance): OpenApi => toThreeZero(openApiOf(app))

function documentIn(parts: object): OpenApi {
  const document: unknown = 'openapiObject' in parts ? parts.openapiObject : null
  if (!isOpenApi(document)) throw new Error('the routes made no OpenAPI document')
  return document
}
