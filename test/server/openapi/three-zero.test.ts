// Expectations are those of the OpenAPI Specification 3.0.3, "Schema Object", and of its rules for
// what 3.1 changed (https://www.openapis.org/blog/2021/02/16/migrating-from-openapi-3-0-to-3-1-0).
import t from 'tap'
import type { OpenApi } from '../../../server/openapi/document.js'
import type { SchemaNode } from '../../../server/openapi/schema-node.js'
import { toThreeZero } from '../../../server/openapi/three-zero.js'
import { document, document30 } from './published.js'

const convert = (schema: SchemaNode): unknown =>
  toThreeZero({
    ...{ openapi: '3.1.0', info: {}, paths: {} },
    components: { schemas: { It: schema, A: { type: 'object' } } },
  }).components.schemas.It

const cases: readonly [what: string, from: SchemaNode, to: object][] = [
  ['null beside a type', { type: ['string', 'null'] }, { type: 'string', nullable: true }],
  [
    'null beside an enumeration',
    { type: ['string', 'null'], enum: ['a'] },
    { type: 'string', nullable: true, enum: ['a', null] },
  ],
  ['null alone', { type: 'null' }, { type: 'string', nullable: true, enum: [null] }],
  [
    'null as an alternative',
    { anyOf: [{ $ref: '#/components/schemas/A' }, { type: 'null' }] },
    { type: 'object', allOf: [{ $ref: '#/components/schemas/A' }], nullable: true },
  ],
  [
    'several types',
    { type: ['integer', 'array', 'null'] },
    {
      anyOf: [
        { type: 'integer', nullable: true },
        { type: 'array', items: {}, nullable: true },
      ],
    },
  ],
  ['examples', { type: 'integer', examples: [1, 2] }, { type: 'integer', example: 1 }],
  ['a constant', { const: 'x' }, { type: 'string', enum: ['x'] }],
  [
    'exclusive bounds',
    { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 9 },
    {
      ...{ type: 'number', minimum: 0, exclusiveMinimum: true },
      ...{ maximum: 9, exclusiveMaximum: true },
    },
  ],
  [
    'beside a reference',
    { $ref: '#/components/schemas/A', description: 'x' },
    { allOf: [{ $ref: '#/components/schemas/A' }], description: 'x' },
  ],
  [
    'patterns of keys',
    { type: 'object', patternProperties: { '^a': { type: ['string', 'null'] } } },
    { type: 'object', additionalProperties: { type: 'string', nullable: true } },
  ],
  [
    'names of keys, deep down',
    { type: 'array', items: { type: 'object', propertyNames: { pattern: 'a' } } },
    { type: 'array', items: { type: 'object' } },
  ],
  [
    'a property that is called like a keyword',
    { type: 'object', properties: { const: { const: true }, examples: { type: 'string' } } },
    {
      type: 'object',
      properties: { const: { type: 'boolean', enum: [true] }, examples: { type: 'string' } },
    },
  ],
]

t.test('schemas in the words of 3.0', async t => {
  for (const [what, from, to] of cases) t.strictSame(convert(from), to, what)
})

t.test('data stays data', async t => {
  const given: OpenApi = {
    ...{ openapi: '3.1.0', info: { license: { name: 'A', identifier: 'Apache-2.0' } } },
    components: { schemas: {} },
    paths: {
      '/': {
        get: {
          ...{ operationId: 'x', summary: 'x', tags: ['x'] },
          responses: {
            200: {
              description: 'x',
              content: { a: { schema: { type: 'null' }, example: { schema: { type: 'null' } } } },
            },
          },
        },
      },
    },
  }
  const before = JSON.stringify(given)
  const made = toThreeZero(given)
  t.equal(JSON.stringify(given), before, 'the given document is not touched')
  t.strictSame(made.paths['/']!.get!.responses[200]!.content!.a, {
    schema: { type: 'string', nullable: true, enum: [null] },
    example: { schema: { type: 'null' } },
  })
  t.strictSame(made.info.license, {
    ...{ name: 'A', url: 'https://spdx.org/licenses/Apache-2.0.html' },
  })
})

t.test('both documents have the same operations', async t => {
  const ids = ({ paths }: OpenApi) =>
    Object.entries(paths).map(([path, methods]) => [
      path,
      Object.entries(methods).map(([method, { operationId }]) => `${method} ${operationId}`),
    ])
  t.equal(document.openapi, '3.1.0')
  t.equal(document30.openapi, '3.0.3')
  t.strictSame(ids(document30), ids(document))
  const names = Object.keys(document.components.schemas)
  t.strictSame(Object.keys(document30.components.schemas), names)
})
