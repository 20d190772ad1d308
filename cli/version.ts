import { readFileSync } from 'node:fs'

/** Version of the package this file belongs to, whether it runs from the sources or from dist/. */
export function version(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8')
      const { name, version } = JSON.parse(text) as { name?: string; version?: string }
      if (name === 'sluice' && version !== undefined) return version
    } catch {
      continue
    }
  }
  return '0.0.0'
}
