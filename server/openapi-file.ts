/** Writes openapi/openapi.json; with `--check` only says whether it is what the routes make. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildApp } from './app.js'
import type { Control } from './control.js'

const folder = ['../openapi', '../../openapi']
  .map(path => fileURLToPath(new URL(path, import.meta.url)))
  .find(existsSync)
export const openApiFile = `${folder ?? 'openapi'}/openapi.json`

/** The document as text, as it is committed. */
export async function renderOpenApi(): Promise<string> {
  // No request is made, so nothing is ever asked of the control.
  const app = buildApp({ control: {} as Control })
  await app.ready()
  const text = `${JSON.stringify(app.swagger(), null, 2)}\n`
  await app.close()
  return text
}

async function run(check: boolean): Promise<number> {
  const text = await renderOpenApi()
  if (!check) {
    writeFileSync(openApiFile, text)
    return 0
  }
  if (existsSync(openApiFile) && readFileSync(openApiFile, 'utf8') === text) return 0
  process.stderr.write(`${openApiFile} differs from the routes; run npm run openapi\n`)
  return 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await run(process.argv.includes('--check'))
}
