/**
 * What laboratories left behind whose process was killed so that it could not close them (SIGKILL,
 * out of memory): namespaces, the programs in them, folders. Names begin with `sluice-PID-`, so what
 * belongs to a process that lives is never touched.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './run.js'

/** In the folder of a lab that is to stay after its process. */
const KEPT = 'kept'

/** Marks a lab by its folder: it stays although its process ends. */
export const keep = (folder: string): void => writeFileSync(join(folder, KEPT), '')

/** Removes every lab whose process is gone, but for those kept; returns their names. */
export async function reap(): Promise<string[]> {
  const namespaces = (await run(['ip', 'netns', 'list'])).stdout.split('\n')
  const folders = readdirSync(tmpdir())
  const labs = new Set([...namespaces, ...folders].flatMap(orphanOf))
  const kept = folders.filter(each => existsSync(join(tmpdir(), each, KEPT))).flatMap(orphanOf)
  for (const lab of kept) labs.delete(lab)
  for (const lab of labs) {
    for (const line of namespaces)
      if (belongs(line, lab)) await removeNamespace(line.split(' ')[0]!)
    for (const folder of folders)
      if (belongs(folder, lab)) rmSync(join(tmpdir(), folder), { recursive: true, force: true })
  }
  return [...labs]
}

/** Ends what runs in a namespace, also daemons that left their parent (HAProxy), and removes it. */
export async function removeNamespace(name: string): Promise<void> {
  const { stdout } = await run(['ip', 'netns', 'pids', name])
  for (const pid of pidsOf(stdout)) kill(pid)
  await run(['ip', 'netns', 'del', name])
}

export const pidsOf = (text: string): number[] => text.split('\n').filter(Boolean).map(Number)

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself in the meantime.
  }
}

const belongs = (name: string, lab: string): boolean => name.startsWith(`${lab}-`)

/** The lab that this is a part of, if its process is gone: `sluice-PID-NUMBER`. */
function orphanOf(name: string): string[] {
  const [, lab, pid] = /^(sluice-(\d+)-\d+)-/.exec(name) ?? []
  return lab === undefined || isAlive(Number(pid)) ? [] : [lab]
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
