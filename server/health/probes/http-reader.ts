/**
 * Reads one HTTP/1.1 answer (RFC 9112) of a peer that is not trusted: so many octets of head, so
 * many of body, and nothing kept beyond. Deliberately strict where a request could be smuggled past
 * a proxy, since such a server is not healthy: odd lengths and both framings at once are faults.
 */
import { ANSWER_OCTETS_MAX } from '../pattern.js'

const EMPTY = Buffer.alloc(0)
/** Status lines and headers together, those of interim (1xx) answers included. */
export const HEAD_OCTETS_MAX = 32 * 1024
/** Of everything that comes with the body, chunk sizes for example, beyond twice the body itself. */
const EXTRA_OCTETS_MAX = 64 * 1024
/** A chunk's size line or the trailer. */
const LINE_OCTETS_MAX = 4096

export interface HttpHead {
  version: string
  status: number
  reasonPhrase: string
  /** Lower-case names; repeated headers joined by a comma. */
  headers: ReadonlyMap<string, string>
}

export interface HttpReaderOptions {
  /** A HEAD request has no body whatever its headers say. */
  headOnly: boolean
  bodyOctetsMax: number
  /** Returns whether the body is wanted. */
  onHead: (head: HttpHead) => boolean
  /** `whole` is false when the body goes on beyond what is read. */
  onBody: (body: Buffer, whole: boolean) => void
  onFault: (reason: 'protocol' | 'oversize' | 'closed', detail: string) => void
}

type Framing =
  | { kind: 'length'; left: number }
  | { kind: 'close' }
  | { kind: 'chunked'; state: 'size' | 'data' | 'dataEnd' | 'trailer'; left: number }

export class HttpReader {
  readonly #options: HttpReaderOptions
  readonly #bodyMax: number
  #pending: Buffer = EMPTY
  #headOctets = 0
  #trailerOctets = 0
  #framing: Framing | null = null
  #body = EMPTY
  #bodyOctets = 0
  #wireOctets = 0
  #done = false

  constructor(options: HttpReaderOptions) {
    this.#options = options
    this.#bodyMax = Math.min(options.bodyOctetsMax, ANSWER_OCTETS_MAX)
  }

  push(chunk: Buffer): void {
    if (this.#done) return
    this.#wireOctets += chunk.length
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (!this.#done && this.#framing === null) if (!this.#readHead()) return
    while (!this.#done && this.#readBody());
    if (!this.#done && this.#wireOctets > HEAD_OCTETS_MAX + 2 * this.#bodyMax + EXTRA_OCTETS_MAX)
      this.#fault('oversize', 'The answer is mostly framing.')
  }

  /** The peer has sent everything. */
  end(): void {
    if (this.#done) return
    if (this.#framing?.kind === 'close') return this.#finish(true)
    const what = this.#framing === null ? 'before its answer was whole' : 'within the body'
    this.#fault('closed', `The peer closed the connection ${what}.`)
  }

  /** Returns whether there may be more to do. */
  #readHead(): boolean {
    // Searched again from the start for each piece, so a drip of single octets is bounded as well.
    const end = this.#pending.indexOf('\r\n\r\n')
    const size = end < 0 ? this.#pending.length : end + 4
    if (this.#headOctets + size > HEAD_OCTETS_MAX) {
      this.#fault('oversize', `The headers are longer than ${HEAD_OCTETS_MAX} octets.`)
      return false
    }
    if (end < 0) {
      // Told at once, so that an SSH banner is no time-out.
      const start = this.#pending.subarray(0, 5).toString('latin1')
      if (!'HTTP/'.startsWith(start)) this.#fault('protocol', 'The answer is not HTTP.')
      return false
    }
    this.#headOctets += size
    const head = parseHead(this.#pending.subarray(0, end).toString('latin1'))
    this.#pending = this.#pending.subarray(size)
    if (typeof head === 'string') return this.#fault('protocol', head)
    // Interim answers (RFC 9110 section 15.2); 101 is final, as nobody asked for it.
    if (head.status < 200 && head.status !== 101) return true
    if (!this.#options.onHead(head)) return this.#stop()
    return this.#frame(head)
  }

  /** RFC 9112 section 6.3. */
  #frame({ status, headers }: HttpHead): boolean {
    const coding = headers.get('transfer-encoding')
    const length = headers.get('content-length')
    if (this.#options.headOnly || status === 101 || status === 204 || status === 304)
      this.#framing = { kind: 'length', left: 0 }
    else if (coding !== undefined && length !== undefined)
      return this.#fault('protocol', 'The answer has both a length and a transfer coding.')
    else if (coding !== undefined) {
      if (coding.toLowerCase() !== 'chunked')
        return this.#fault('protocol', 'The transfer coding is not chunked.')
      this.#framing = { kind: 'chunked', state: 'size', left: 0 }
    } else if (length !== undefined) {
      if (!/^\d{1,15}$/.test(length)) return this.#fault('protocol', 'Content-Length is no number.')
      this.#framing = { kind: 'length', left: Number(length) }
    } else this.#framing = { kind: 'close' }
    if (this.#framing.kind === 'length' && this.#framing.left === 0) this.#finish(true)
    return true
  }

  #readBody(): boolean {
    const framing = this.#framing!
    switch (framing.kind) {
      case 'close':
        this.#take(this.#pending.length)
        return false
      case 'length': {
        const size = Math.min(framing.left, this.#pending.length)
        framing.left -= size
        this.#take(size)
        if (framing.left === 0) this.#finish(true)
        return false
      }
      case 'chunked':
        return this.#readChunk(framing)
    }
  }

  /** RFC 9112 section 7.1. Extensions and trailers are skipped. */
  #readChunk(framing: Extract<Framing, { kind: 'chunked' }>): boolean {
    if (framing.state === 'data') {
      if (this.#pending.length === 0) return false
      const size = Math.min(framing.left, this.#pending.length)
      framing.left -= size
      if (framing.left === 0) framing.state = 'dataEnd'
      this.#take(size)
      return true
    }
    const end = this.#pending.indexOf('\r\n')
    if ((end < 0 ? this.#pending.length : end) > LINE_OCTETS_MAX)
      return this.#fault('protocol', 'A line between the chunks is too long.')
    if (end < 0) return false
    const line = this.#pending.subarray(0, end).toString('latin1')
    this.#pending = this.#pending.subarray(end + 2)
    if (framing.state === 'dataEnd') {
      framing.state = 'size'
      return line === '' || this.#fault('protocol', 'A chunk is longer than it says.')
    }
    if (framing.state === 'trailer') {
      this.#trailerOctets += end + 2
      if (this.#trailerOctets > LINE_OCTETS_MAX)
        return this.#fault('oversize', 'The trailer is too long.')
      if (line === '') this.#finish(true)
      return true
    }
    const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)
    if (size === null) return this.#fault('protocol', 'The size of a chunk is no number.')
    framing.left = parseInt(size[1]!, 16)
    framing.state = framing.left === 0 ? 'trailer' : 'data'
    return true
  }

  #take(size: number): void {
    const room = this.#bodyMax - this.#bodyOctets
    if (size > 0 && room > 0) {
      const taken = Math.min(size, room)
      this.#grow(this.#bodyOctets + taken)
      this.#pending.copy(this.#body, this.#bodyOctets, 0, taken)
      this.#bodyOctets += taken
    }
    this.#pending = this.#pending.subarray(size)
    if (size > room) this.#finish(false)
  }

  #finish(whole: boolean): void {
    if (this.#done) return
    this.#done = true
    this.#options.onBody(this.#body.subarray(0, this.#bodyOctets), whole)
  }

  /** Doubles, so that a body in pieces of one octet is no work either. */
  #grow(octets: number): void {
    if (octets <= this.#body.length) return
    const larger = Buffer.allocUnsafe(Math.max(octets, 2 * this.#body.length))
    this.#body.copy(larger, 0, 0, this.#bodyOctets)
    this.#body = larger
  }

  #fault(reason: 'protocol' | 'oversize' | 'closed', detail: string): false {
    this.#options.onFault(reason, detail)
    return this.#stop()
  }

  #stop(): false {
    this.#done = true
    return false
  }
}

/** A sentence when it is no head. */
function parseHead(text: string): HttpHead | string {
  const [first, ...lines] = text.split('\r\n')
  const status = /^(HTTP\/1\.[01]) ([1-9]\d\d)(?: (.*))?$/.exec(first!)
  if (status === null) return 'The answer does not begin with a status line of HTTP/1.1.'
  const headers = new Map<string, string>()
  for (const line of lines) {
    const header = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line)
    if (header === null) return 'A line among the headers is none.'
    const name = header[1]!.toLowerCase()
    const before = headers.get(name)
    headers.set(name, before === undefined ? header[2]! : `${before}, ${header[2]}`)
  }
  return { version: status[1]!, status: Number(status[2]), reasonPhrase: status[3] ?? '', headers }
}
