/** A program that takes half of the core on which the dataplane's thread runs, and nothing else. */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import type { Namespace } from '../lab/namespace.js'
import type { LabProcess } from '../lab/process.js'
import { runSync } from '../lab/run.js'

/** Of /proc/PID/task/TID/stat behind the name in brackets: proc_pid_stat(5), field 19. */
const NICE = 16

/** Binds that thread and a busy loop of the same priority to the last core until it is stopped. */
export function shareCore(host: Namespace, pid: number): LabProcess {
  const core = String(cpus().length - 1)
  const thread = threads(pid).reduce((one, other) => (other.nice < one.nice ? other : one))
  if (thread.nice >= 0) throw new Error('the dataplane thread has no priority to tell it by')
  runSync(['taskset', '-p', '-c', core, thread.tid])
  const loop = ['sh', '-c', 'while :; do :; done']
  return host.start(['taskset', '-c', core, 'nice', '-n', String(thread.nice), ...loop])
}

function threads(pid: number): { tid: string; nice: number }[] {
  return readdirSync(`/proc/${pid}/task`).map(tid => {
    const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'latin1')
    return { tid, nice: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[NICE]) }
  })
}
