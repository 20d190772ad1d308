/** The OpenAPI 3.1 document, from the schemas of the routes, and its pages at /docs. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { sharedSchemas } from '../schemas/components.js'
import { version } from '../version.js'

const DESCRIPTION = `
Layer-4 load balancing, managed by documents with names. PUT creates or replaces and can be
repeated; PATCH is a merge patch; a write answers when the dataplane has applied it. Errors are RFC
9457 problem details with every fault listed. ETag and If-Match guard against overwriting.
`

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
        { name: 'Mark rules', description: 'Which packets carry which firewall mark.' },
        { name: 'Settings', description: 'The knobs of IPVS.' },
        { name: 'Live state', description: 'Connections, counters, interfaces.' },
        { name: 'System', description: 'Version, health, error codes.' },
      ],
    },
    // Components keep their names instead of def-0, def-1, ...
    refResolver: { buildLocalReference: json => json.$id as string },
  })
  void app.register(swaggerUi, {
    routePrefix: '/docs',
    // Everything comes from this server: the page works without the Internet.
    uiConfig: { validatorUrl: null, docExpansion: 'list', tryItOutEnabled: true },
    staticCSP: true,
    // Without TLS, upgrading would make a browser ask for the page's parts where nobody answers.
    transformStaticCSP: header => header.replace(/\s*upgrade-insecure-requests;?/, ''),
  })
}
