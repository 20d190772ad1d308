/** What differs between two documents, field by field. */
import { isDeepStrictEqual } from 'node:util'
import type { CommittedChange } from './commit.js'
import { escapePointer } from '../errors.js'
import type { Difference } from '../schemas/plan.js'
import { isObject } from '../schemas/walk.js'

export function differenceOf({ kind, name, before, after }: CommittedChange): Difference {
  const action = before === null ? 'create' : after === null ? 'delete' : 'update'
  return { kind, name, action, fields: fieldsOf(before ?? {}, after ?? {}, '') }
}

/** Lists are compared whole: their order has a meaning. */
function fieldsOf(before: object, after: object, pointer: string): Difference['fields'] {
  const old = new Map<string, unknown>(Object.entries(before))
  const wanted = new Map<string, unknown>(Object.entries(after))
  return [...new Set([...old.keys(), ...wanted.keys()])].flatMap(name => {
    const at = `${pointer}/${escapePointer(name)}`
    const was = old.get(name)
    const is = wanted.get(name)
    if (isDeepStrictEqual(was, is)) return []
    if (isObject(was) && isObject(is)) return fieldsOf(was, is, at)
    return [
      {
        pointer: at,
        ...(old.has(name) ? { before: was } : {}),
        ...(wanted.has(name) ? { after: is } : {}),
      },
    ]
  })
}
