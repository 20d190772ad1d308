/**
 * Packets before requests. Both planes are threads of one process, so on a machine whose cores are
 * all busy a request would take from the dataplane what it needs. The kernel's own IPVS runs in
 * softirqs, before any program; this thread gets most of a core instead (nice, setpriority(2), which
 * on Linux is a thread's own), and nothing while it has nothing to do.
 */
import { availableParallelism, setPriority } from 'node:os'

/** A core of its own: what it leaves to others there is some 3 %, but there are other cores. */
const NICE_AMONG_CORES = -15
/** No core is left for the control plane, whose health checks must not starve: some 25 %. */
const NICE_ALONE = -5

/** Raises this thread; returns why it could not be, null when it is. */
export function takePriority(workers: number): string | null {
  const nice = availableParallelism() > workers ? NICE_AMONG_CORES : NICE_ALONE
  try {
    setPriority(nice)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
