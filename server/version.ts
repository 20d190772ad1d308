/** The version of this build, from package.json. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Beside `server/` when run from its sources, one above `dist/` when built. */
const file = ['../package.json', '../../package.json']
  .map(path => fileURLToPath(new URL(path, import.meta.url)))
  .find(existsSync)!

export const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
