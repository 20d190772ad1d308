/** What a change changes and what it does to traffic, for people. */
import type { Difference, Impact, Plan } from '../../openapi/client/schema.js'

const SIGN = { create: '+', update: '~', delete: '-' } as const

/** One line a document, then one for each of its fields that changes. */
export const differencesText = (changes: readonly Difference[]): string =>
  changes.length === 0 ? 'no differences\n' : changes.map(differenceText).join('')

function differenceText({ kind, name, action, fields }: Difference): string {
  const head = kind === 'settings' ? kind : `${kind} ${name}`
  // Who deletes something knows what it was.
  const shown = action === 'delete' ? [] : fields
  const lines = shown.map(field => {
    const { before, after } = field
    if (!('before' in field)) return `    ${field.pointer}  ${JSON.stringify(after)}\n`
    const now = 'after' in field ? JSON.stringify(after) : 'none'
    return `    ${field.pointer}  ${JSON.stringify(before)} → ${now}\n`
  })
  return `${SIGN[action]} ${head}\n${lines.join('')}`
}

/** What becomes of the connections that there are now; a line for the whole, then one a service. */
export function impactText(impact: Impact): string {
  const { connectionsLosingService: service, connectionsLosingServer: server } = impact
  const lost = [
    ...(service > 0 ? [`${connections(service)} would lose their service`] : []),
    ...(server > 0 ? [`${connections(server)} would lose their real server`] : []),
  ]
  const head = `impact: ${lost.length === 0 ? 'no connection is hurt' : lost.join(', ')}\n`
  const lines = impact.services.map(each => {
    const { usableServersBefore: before, usableServersAfter: after, slots } = each
    const parts = [
      ...(each.connectionsLosingService > 0
        ? [`${connections(each.connectionsLosingService)} without service`]
        : []),
      ...(each.connectionsLosingServer > 0
        ? [`${connections(each.connectionsLosingServer)} without server`]
        : []),
      before === after
        ? `${after} usable real servers as before`
        : `usable real servers ${before} → ${after}`,
      ...(slots === null
        ? []
        : [`${slots.moved} of ${slots.total} slots move (${(slots.share * 100).toFixed(1)} %)`]),
    ]
    return `  ${each.name}: ${parts.join(', ')}\n`
  })
  const empty = impact.servicesWithoutServer.map(
    name => `  ${name}: nobody would take new connections\n`,
  )
  return head + lines.join('') + empty.join('')
}

export const planText = ({ changes, impact }: Plan): string =>
  changes.length === 0 ? differencesText(changes) : differencesText(changes) + impactText(impact)

const connections = (count: number) => `${count} connection${count === 1 ? '' : 's'}`
