/** 404 for paths that do not exist, 405 with Allow for methods that a path does not have. */
import type { FastifyInstance } from 'fastify'
import { Problem } from '../errors.js'

/** Must be added before the routes, whose methods it collects. */
export function addNotFound(app: FastifyInstance): void {
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set<string>()
    for (const each of [method].flat()) known.add(each)
    methods.set(url, known)
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const allowed = new Set<string>()
    for (const [pattern, known] of methods) {
      if (matches(pattern, path)) for (const each of known) allowed.add(each)
    }
    const allow = [...allowed].sort().join(', ')
    if (allow === '') throw new Problem('NOT_FOUND', `There is nothing at ${path.slice(0, 200)}.`)
    if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
    const detail = `${path.slice(0, 200)} has no ${request.method}; it has ${allow}.`
    throw new Problem('METHOD_NOT_ALLOWED', detail, { headers: { allow } })
  })
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  const star = wanted.at(-1) === '*'
  if (star ? given.length < wanted.length : given.length !== wanted.length) return false
  return wanted.every((word, i) => word === '*' || word.startsWith(':') || word === given[i])
}
