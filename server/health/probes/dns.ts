/** One DNS question (RFC 1035) over UDP or TCP, and whether the answer is the expected one. */
import { randomInt } from 'node:crypto'
import { decode, encode, type Answer, type DecodedPacket, type RecordType } from 'dns-packet'
import { printableText } from '../printable.js'
import type { Run } from '../run.js'
import { openDatagrams } from './datagrams.js'
import type { FieldsOf, Probe } from './probe.js'
import { openStream, send } from './stream.js'

const RECURSION_DESIRED = 0x0100
/** Over TCP; over UDP datagrams.ts has its own bound. */
const MESSAGES_MAX = 100
const ANSWERS_TOLD_MAX = 5

export const probeDns: Probe<'dns'> = (check, run) => {
  const id = randomInt(0x10000)
  const type = check.queryType as RecordType
  const query = encode({
    ...{ type: 'query', id, flags: RECURSION_DESIRED },
    questions: [{ type, class: 'IN', name: check.queryName }],
  })
  const what = `${check.queryType} of ${check.queryName}`
  run.waitingFor = 'the answer'
  const judgeOne = (octets: Buffer) => judge(check, run, id, octets)
  if (check.transport === 'udp')
    return openDatagrams(run, datagrams => datagrams.send(query, what), judgeOne)
  openStream(run, null, socket => {
    const length = Buffer.from([query.length >> 8, query.length & 255])
    let pending = Buffer.alloc(0)
    let messages = 0
    socket.on('data', chunk => {
      pending = Buffer.concat([pending, chunk])
      while (!run.ended && pending.length >= 2) {
        const end = pending.readUInt16BE(0) + 2
        if (pending.length < end) return
        if (++messages > MESSAGES_MAX)
          return run.fail('oversize', 'There are too many answers to other questions.')
        const message = pending.subarray(2, end)
        pending = pending.subarray(end)
        run.note('receive', 'a message', message)
        judgeOne(message)
      }
    })
    socket.once('end', () =>
      run.fail('closed', 'The peer closed the connection without an answer.'),
    )
    run.waitingFor = 'the answer'
    send(run, socket, Buffer.concat([length, query]), what)
  })
}

function judge(check: FieldsOf<'dns'>, run: Run, id: number, octets: Buffer): void {
  const packet = decoded(octets)
  if (packet === null) return run.fail('protocol', 'The answer is no DNS message.')
  // As a resolver does: what answers another question is as if it had not come (RFC 5452).
  if (packet.type !== 'response' || packet.id !== id || !answersThe(check, packet)) return
  const rcode = (packet as DecodedPacket & { rcode: string }).rcode
  if (rcode !== check.expectedRcode)
    return run.fail('status', `The answer is ${rcode}, not ${check.expectedRcode}.`)
  if (check.expectedAnswers.length === 0) return run.succeed(`The answer is ${rcode}.`)
  if (packet.flag_tc)
    return run.fail('oversize', 'The answer is truncated; ask over TCP to compare answers.')
  const found = (packet.answers ?? []).filter(({ type }) => type === check.queryType).map(textOf)
  const missing = check.expectedAnswers.find(each => !found.includes(normal(each)))
  if (missing === undefined)
    return run.succeed(`The answer is ${rcode}, with everything that is expected.`)
  const told = found.slice(0, ANSWERS_TOLD_MAX).join(', ')
  run.fail('mismatch', `${missing} is not among the answers: ${told === '' ? 'none' : told}.`)
}

/** The library throws on what it cannot read, and has bounds for names that point in circles. */
function decoded(octets: Buffer): DecodedPacket | null {
  try {
    return decode(octets)
  } catch {
    return null
  }
}

function answersThe(check: FieldsOf<'dns'>, { questions = [] }: DecodedPacket): boolean {
  const [question, ...more] = questions
  return (
    question !== undefined &&
    more.length === 0 &&
    question.type === check.queryType &&
    normal(question.name) === normal(check.queryName)
  )
}

/** Of addresses and names their text; of everything else its JSON. */
function textOf(answer: Answer): string {
  const data: unknown = 'data' in answer ? answer.data : null
  if (typeof data === 'string') return normal(printableText(data))
  if (Array.isArray(data)) return printableText(data.map(String).join(''))
  return printableText(JSON.stringify(data) ?? '')
}

const normal = (name: string) => name.toLowerCase().replace(/(.)\.$/, '$1')
