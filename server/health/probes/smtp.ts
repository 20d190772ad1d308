/** The greeting of a mail server, HELO or EHLO, and QUIT (RFC 5321). */
import type { Socket } from 'node:net'
import { printableText } from '../printable.js'
import type { Run } from '../run.js'
import type { Probe } from './probe.js'
import { openStream, send } from './stream.js'

/** Section 4.5.3.1.5 says 512; servers are more talkative. */
const LINE_OCTETS_MAX = 2048
const REPLY_LINES_MAX = 100

export const probeSmtp: Probe<'smtp'> = (check, run) =>
  openStream(run, null, socket => {
    const answers = [
      {
        code: 220,
        waitingFor: `the answer to ${check.verb}`,
        next: `${check.verb} ${check.hello}`,
      },
      { code: 250, waitingFor: 'the answer to QUIT', next: 'QUIT' },
      { code: 221, waitingFor: '', next: null },
    ]
    run.waitingFor = 'the greeting'
    readReplies(run, socket, (code, text) => {
      const { code: expected, waitingFor, next } = answers.shift()!
      run.note('receive', `${code} ${printableText(text, 100)}`)
      if (code !== expected)
        return run.fail(
          'status',
          `The server says ${code}, not ${expected}: ${printableText(text)}`,
        )
      if (next === null) return run.succeed('The mail server greets and answers.')
      run.waitingFor = waitingFor
      send(run, socket, Buffer.from(`${next}\r\n`), next)
    })
  })

/** Calls back for each whole reply, of however many lines (section 4.2.1). */
function readReplies(run: Run, socket: Socket, reply: (code: number, text: string) => void): void {
  let pending = ''
  let lines = 0
  socket.on('data', chunk => {
    pending += chunk.toString('latin1')
    for (;;) {
      const end = pending.indexOf('\n')
      if ((end < 0 ? pending.length : end) > LINE_OCTETS_MAX || lines > REPLY_LINES_MAX)
        return run.fail('oversize', 'The reply is too long.')
      if (end < 0 || run.ended) return
      const line = /^([2-5]\d\d)([ -]?)(.*?)\r?$/.exec(pending.slice(0, end))
      pending = pending.slice(end + 1)
      if (line === null) return run.fail('protocol', 'The answer is not SMTP.')
      lines++
      if (line[2] === '-') continue
      lines = 0
      reply(Number(line[1]), line[3]!)
    }
  })
  socket.once('end', () => run.fail('closed', `The peer closed before ${run.waitingFor}.`))
}
