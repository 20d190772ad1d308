import { section, table } from './screen.js'
import { ask, type Show } from './show.js'

const COLUMNS = ['conns', 'inPkts', 'outPkts', 'inBytes', 'outBytes'] as const

interface Row {
  name?: string
  realServers?: Row[]
  [column: string]: unknown
}

/** GET /v1/stats, and the same as a table that ipvsadm --stats users know. */
export async function showStatistics(show: Show): Promise<void> {
  section('What Sluice counted')
  const stats = (await ask(show, { method: 'GET', path: '/v1/stats', lines: 8 })) as {
    services?: Row[]
    virtualServices?: Row[]
  }
  const services = stats.services ?? stats.virtualServices ?? []
  const rows = services.flatMap(service => [
    cells(service.name ?? '', service),
    ...(service.realServers ?? []).map(server => cells(`  -> ${server.name ?? ''}`, server)),
  ])
  if (rows.length > 0) table([['', ...COLUMNS], ...rows])
  const served = services.some(service => Number(counted(service)['conns']) > 0)
  show.checks.that('the statistics know of the traffic', served)
}

const cells = (name: string, row: Row) => [name, ...COLUMNS.map(key => String(counted(row)[key]))]

/** Counters stand in the row itself or under a key of their own. */
const counted = (row: Row): Row => (row['counters'] ?? row) as Row
