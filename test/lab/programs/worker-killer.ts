/**
 * Preloaded into the unchanged `sluice` (`node --import`): SIGUSR2 terminates the newest worker
 * thread, as a crash would. Node announces threads on a diagnostics channel, so that the appliance
 * needs no such door of its own.
 */
import { subscribe } from 'node:diagnostics_channel'
import { isMainThread, type Worker } from 'node:worker_threads'

if (isMainThread) {
  let newest: Worker | null = null
  subscribe('worker_threads', message => {
    newest = (message as { worker: Worker }).worker
  })
  process.on('SIGUSR2', () => {
    process.stderr.write(`worker-killer: ending thread ${newest?.threadId ?? 'none'}\n`)
    void newest?.terminate()
  })
}
