/** keepalived itself as the judge of a keepalived.conf, and the samples that Debian ships with it. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SAMPLES = 'usr/share/doc/keepalived/samples'

/** What keepalived complains about; empty when it takes every word. */
export function complaints(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-keepalived-'))
  try {
    const file = join(folder, 'keepalived.conf')
    writeFileSync(file, text)
    // Check-only, quiet, no VRRP: nothing is started or changed.
    const args = ['--config-test', '--log-console', '--check', `--use-file=${file}`]
    const { status, stdout, stderr, error } = spawnSync('keepalived', args, { encoding: 'utf8' })
    if (error) throw error
    const said = `${stdout}${stderr}`.replaceAll(file, 'keepalived.conf').trim()
    return status === 0 ? said : `exit ${status}: ${said}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** By name. Debian's images may be told to leave documentation out; then the package has it. */
export function samples(): Map<string, string> {
  const installed = join('/', SAMPLES)
  if (existsSync(installed)) return read(installed)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-keepalived-'))
  try {
    // apt fetches as a user of its own.
    chmodSync(folder, 0o777)
    const download = () =>
      execFileSync('apt-get', ['download', '-q', 'keepalived'], { cwd: folder })
    try {
      download()
    } catch {
      execFileSync('apt-get', ['update', '-q'])
      download()
    }
    const deb = readdirSync(folder).find(name => name.endsWith('.deb'))!
    execFileSync('dpkg-deb', ['-x', join(folder, deb), join(folder, 'unpacked')])
    return read(join(folder, 'unpacked', SAMPLES))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function read(folder: string): Map<string, string> {
  const names = readdirSync(folder).filter(name => name.startsWith('keepalived.conf.'))
  return new Map(names.map(name => [name, readFileSync(join(folder, name), 'utf8')]))
}
