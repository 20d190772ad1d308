/** A datagram and what comes back. */
import { matcherOf, TOO_LONG } from '../pattern.js'
import { openDatagrams } from './datagrams.js'
import type { Probe } from './probe.js'

/** Before the deadline, so that silence can be a success. */
const SILENCE_PART = 0.9

export const probeUdp: Probe<'udp'> = (check, run) => {
  run.waitingFor = 'an answer'
  const receive = (octets: Buffer) => {
    if (check.match === null) return run.succeed('There is an answer.')
    const matcher = matcherOf(check.match)
    const found = matcher.matches(octets)
    if (found === null) run.fail('timeout', TOO_LONG)
    else if (found) run.succeed(`The answer contains ${matcher.description}.`)
    else run.fail('mismatch', `There is no ${matcher.description} in the answer.`)
  }
  if (!check.replyRequired)
    run.after(run.timeoutMs * SILENCE_PART, () =>
      run.succeed('No answer, and none is required; nothing said that the port is unreachable.'),
    )
  openDatagrams(
    run,
    datagrams => datagrams.send(Buffer.from(check.sendHex, 'hex'), 'a datagram'),
    receive,
  )
}
