/** One INIT, and an INIT ACK from the same endpoint with the tag that was offered. */
import type { SctpAsker } from '../sctp-asker.js'
import { endpointText, type Probe } from './probe.js'

export const sctpProbe =
  (asker: SctpAsker): Probe<'sctp'> =>
  (_check, run) => {
    const { address, port } = run.target
    run.note('target', endpointText(address, port))
    run.waitingFor = 'an INIT ACK'
    run.note('send', 'an INIT')
    const { sourceAddress, sourcePort } = run
    const stop = asker.ask({ address, port, sourceAddress, sourcePort }, failure => {
      if (failure !== null) return run.fail(failure.reason, failure.detail)
      run.note('receive', 'an INIT ACK, answered by an ABORT')
      run.succeed(`${endpointText(address, port)} answers to INIT.`)
    })
    run.onEnd(stop)
  }
