/** One echo request, and its answer from the same address with the same octets. */
import type { Pinger } from '../pinger.js'
import type { Probe } from './probe.js'

export const icmpProbe =
  (pinger: Pinger): Probe<'icmp'> =>
  ({ payloadOctets }, run) => {
    const { address } = run.target
    run.note('target', address)
    run.waitingFor = 'an echo reply'
    run.note('send', `an echo request of ${payloadOctets} octets`)
    const order = { address, sourceAddress: run.sourceAddress, payloadOctets }
    const stop = pinger.ping(order, failure => {
      if (failure === null) run.succeed(`${address} answers to echo requests.`)
      else run.fail(failure.reason, failure.detail)
    })
    run.onEnd(stop)
  }
