import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Top folder of the clone, found from here whether this runs as test/lab/*.ts or dist/test/lab/*.js. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)))

/** The compiled `sluice` command. Lab processes run compiled code, as a user's would. */
export const SLUICE = join(ROOT, 'dist/cli/sluice.js')

/** Path of a compiled program of the lab, or of a bench; says what to do when there is none. */
export function program(name: string, of: 'lab' | 'bench' = 'lab'): string {
  return built(join(ROOT, 'dist/test', of, 'programs', `${name}.js`))
}

/** Returns `path` if it exists; lab processes need a build. */
export function built(path: string): string {
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm run build" first`)
  return path
}

function findRoot(from: string): string {
  if (existsSync(join(from, 'package-lock.json'))) return from
  const above = dirname(from)
  if (above === from) throw new Error('package-lock.json not found above test/lab')
  return findRoot(above)
}
