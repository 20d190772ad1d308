import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { API } from './api.js'
import type { ApiOrder, ApiReport } from './api-order.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import { program } from './root.js'

const ENV = { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' }
let orders = 0

/** Calls the API of the appliance on `host` many times, from that host; the answer is the report. */
export async function callApi(
  lab: Lab,
  host: Namespace,
  order: Omit<ApiOrder, 'api'>,
  deadlineMs = 120_000,
): Promise<ApiReport> {
  const file = join(lab.folder, `api-order-${++orders}.json`)
  writeFileSync(file, JSON.stringify({ ...order, api: `http://${API}` }))
  const caller = host.start([process.execPath, program('api-caller'), file], { env: ENV })
  const [, report] = await caller.waitFor(/^(\{.*\})\n/m, deadlineMs)
  await caller.exited
  return JSON.parse(report!) as ApiReport
}
