/** Writes openapi/*.json; with `--check` only says whether they are what the routes make. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildApp, type Access } from './app.js'
import type { Control } from './control.js'
import { Metrics } from './metrics/metrics.js'
import { openApi30Of, openApiOf } from './plugins/openapi.js'

const folder =
  ['../openapi', '../../openapi']
    .map(path => fileURLToPath(new URL(path, import.meta.url)))
    .find(path => existsSync(`${path}/openapi.json`)) ?? 'openapi'
export const openApiFile = `${folder}/openapi.json`
export const openApi30File = `${folder}/openapi-3.0.json`

/** The documents as they are committed: text by file. */
export async function renderOpenApi(): Promise<Map<string, string>> {
  // No request is made, so nothing is ever asked of these.
  const app = buildApp({ control: { metrics: new Metrics() } as Control, access: {} as Access })
  await app.ready()
  const text = (document: object) => `${JSON.stringify(document, null, 2)}\n`
  const files = new Map([
    [openApiFile, text(openApiOf(app))],
    [openApi30File, text(openApi30Of(app))],
  ])
  await app.close()
  return files
}

async function run(check: boolean): Promise<number> {
  let stale = 0
  for (const [file, text] of await renderOpenApi()) {
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
    if (!check) writeFileSync(file, text)
    else process.stderr.write(`${file} differs from the routes; run npm run openapi\n`)
    stale++
  }
  return check && stale > 0 ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await run(process.argv.includes('--check'))
}
