/** Processor time of a running appliance, by what its threads do. */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** USER_HZ: what /proc counts in, on every Linux that Node runs on. */
const TICKS_PER_S = 100

/** Seconds of processor time since the start. */
export interface ThreadTimes {
  /** Threads above the usual priority: those that move packets. */
  dataplane: number
  /** Requests, SQLite, garbage collection, compilation. */
  rest: number
}

/** Of each thread of a process; proc_pid_stat(5), fields counted behind the name in parentheses. */
export function threadTimes(pid: number): ThreadTimes {
  const times = { dataplane: 0, rest: 0 }
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const fields = fieldsOf(`/proc/${pid}/task/${tid}/stat`)
    if (fields === null) continue
    const [userTicks, systemTicks, nice] = [fields[11], fields[12], fields[16]].map(Number)
    times[nice! < 0 ? 'dataplane' : 'rest'] += (userTicks! + systemTicks!) / TICKS_PER_S
  }
  return times
}

/** Seconds that all cores together had nothing to do since the machine started. */
export function idleSeconds(): number {
  return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[1])
}

export const cores = availableParallelism

/** Null: it has ended meanwhile. */
function fieldsOf(file: string): string[] | null {
  try {
    return readFileSync(file, 'latin1').split(') ').at(-1)!.split(' ')
  } catch {
    return null
  }
}
