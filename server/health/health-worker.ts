/**
 * The thread that runs checks, so that neither a thousand of them a second nor what hostile peers
 * answer can delay the API. It keeps no truth: whoever starts it tells it all servers again.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { CheckRunner } from './check-runner.js'
import { enterNetwork } from './enter-network.js'
import { BEAT_MS } from './heartbeat.js'
import { Latencies } from './latencies.js'
import type { Pinger } from './pinger.js'
import { ReportBook } from './probes/external.js'
import { RemotePath } from './remote-path.js'
import type { SctpAsker } from './sctp-asker.js'
import { Slots } from './slots.js'
import { systemTimers } from './timers.js'
import type { FromWorker, HealthWorkerData, QuestionMessage, ToWorker } from './worker-messages.js'

const { commandFolder, fileFolder, latencies, slots, network } = workerData as HealthWorkerData
// Before anything is opened: sockets belong to the network that their thread was in.
if (network !== null) enterNetwork(network.path)
const port = parentPort!
const post = (message: FromWorker) => port.postMessage(message)
const pings = new Map<number, Parameters<Pinger['ping']>[1]>()
let nextId = 0

/** npm raw-socket lives on the main thread. Returns what stops waiting. */
function raw(message: (id: number) => FromWorker, done: Parameters<Pinger['ping']>[1]) {
  const id = ++nextId
  pings.set(id, done)
  post(message(id))
  return () => {
    if (pings.delete(id)) post({ event: 'stopPing', id })
  }
}
const pinger: Pinger = {
  ping: (order, done) => raw(id => ({ event: 'ping', id, order }), done),
}
const sctpAsker: SctpAsker = {
  ask: (order, done) => raw(id => ({ event: 'askSctp', id, order }), done),
}

const path =
  network &&
  new RemotePath(network.addresses, {
    open: (id, order) => post({ event: 'open', id, order }),
    close: id => post({ event: 'close', id }),
  })

setInterval(() => post({ event: 'beat' }), BEAT_MS)

const runner = new CheckRunner({
  ...{ commandFolder, fileFolder, pinger, sctpAsker, servicePath: path },
  ...{ timers: systemTimers, wallClock: () => new Date(), random: Math.random },
  latencies: new Latencies(latencies),
  slots: new Slots(slots),
  reports: new ReportBook(systemTimers),
  changed: change => post({ event: 'changed', change }),
})

port.on('message', (message: ToWorker) => {
  switch (message.op) {
    case 'set':
      return runner.set(message.server)
    case 'delete':
      return runner.delete(message.service, message.server)
    case 'report':
      return void runner.report(message.service, message.server, message.check, message.report)
    case 'ask':
      return void answer(message)
    case 'pinged': {
      const done = pings.get(message.id)
      pings.delete(message.id)
      return done?.(message.failure)
    }
    case 'opened':
      return path?.opened(message.id, message.failure)
  }
})

async function answer(message: QuestionMessage): Promise<void> {
  const { id } = message
  switch (message.question) {
    case 'runNow':
      return post({ event: 'answer', id, answer: await runner.runNow(...message.arguments) })
    case 'history':
      return post({ event: 'answer', id, answer: runner.history(...message.arguments) })
    case 'statuses':
      return post({ event: 'answer', id, answer: runner.statuses(...message.arguments) })
  }
}
