/**
 * The main thread's half of the raw-socket driver: IPv4 raw sockets on one side, the two packet
 * queues of the worker (dataplane/driver/raw-socket.ts) on the other. The sockets belong to this
 * thread and live on when a worker dies; what a dead worker does not take is dropped and counted.
 *
 * Each side does a bounded amount of work in one turn of the event loop, so that the API answers
 * under load too.
 */
import type { Logger } from 'pino'
import type { WorkerConfig } from '../../dataplane/protocol.js'
import { allocateQueue, PacketQueue } from '../../dataplane/shared/packet-queue.js'
import { EventDescriptor } from './event-descriptor.js'
import { SENT_MARK } from '../../dataplane/limits.js'
import { openRawSocket, type RawHandle } from './raw-library.js'

export type PacketQueues = NonNullable<WorkerConfig['packetQueues']>

/** ICMP, TCP, UDP, SCTP. */
const PROTOCOLS = [1, 6, 17, 132]
/** IPPROTO_RAW: what is sent has its IP header with it (raw(7)); nothing is ever received. */
const PROTOCOL_RAW = 255
const SOL_SOCKET = 1
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SO_MARK = 36
const SOCKET_OCTETS = 8 << 20
const QUEUE_OCTETS = 16 << 20
const DATAGRAM_MAX = 65535
/** Packets moved in one turn of the event loop, each way and socket. */
const TURN_MAX = 64
/** How often faults of sending are told, each kind. */
const COMPLAIN_MS = 10_000

/** Memory for both directions. */
export const openPacketQueues = (): PacketQueues => ({
  toWorker: allocateQueue(QUEUE_OCTETS),
  fromWorker: allocateQueue(QUEUE_OCTETS),
})

export interface RawSocketsOptions {
  queues: PacketQueues
  logger: Pick<Logger, 'warn' | 'error'>
}

export class RawSockets {
  readonly #logger: RawSocketsOptions['logger']
  readonly #toWorker: PacketQueue
  readonly #fromWorker: PacketQueue
  readonly #wake: EventDescriptor
  readonly #receiving: RawHandle[] = []
  readonly #buffer = Buffer.alloc(DATAGRAM_MAX)
  readonly #outgoing = Buffer.alloc(DATAGRAM_MAX)
  readonly #texts = new Map<number, string>()
  readonly #complaints = new Map<string, { count: number; dueMs: number }>()
  #sending: RawHandle | null = null
  #closed = false
  #sender: Promise<void> | null = null

  constructor({ queues, logger }: RawSocketsOptions) {
    this.#logger = logger
    this.#toWorker = new PacketQueue(queues.toWorker)
    this.#fromWorker = new PacketQueue(queues.fromWorker)
    this.#wake = new EventDescriptor()
    this.#toWorker.descriptor = this.#wake.descriptor
  }

  /** Opens the sockets and starts moving packets. Throws, with nothing left open, without the right. */
  open(): void {
    try {
      this.#sending = openRawSocket(PROTOCOL_RAW)
      this.#sending.setOption(SOL_SOCKET, SO_MARK, SENT_MARK)
      this.#sending.setOption(SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_OCTETS)
      for (const protocol of PROTOCOLS) this.#receiving.push(this.#openReceiving(protocol))
    } catch (error) {
      this.#closeSockets()
      throw new Error(`raw sockets: ${(error as Error).message}`, { cause: error })
    }
    this.#sender = this.#sendAll()
  }

  /** For after the last worker has stopped. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#closeSockets()
    this.#fromWorker.signal()
    await this.#sender
    this.#toWorker.descriptor = -1
    this.#wake.close()
  }

  #openReceiving(protocol: number): RawHandle {
    const socket = openRawSocket(protocol)
    socket.setOption(SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_OCTETS)
    socket.on('recvReady', () => this.#receive(socket))
    socket.on('error', error => this.#complain('receive', error))
    return socket
  }

  #closeSockets(): void {
    for (const socket of this.#receiving.splice(0)) socket.close()
    this.#sending?.close()
    this.#sending = null
  }

  #receive(socket: RawHandle): void {
    try {
      for (let i = 0; i < TURN_MAX; i++) socket.recv(this.#buffer, this.#take)
    } catch (error) {
      // An empty socket says so by throwing; everything else is told.
      if (!isAgain(error)) this.#complain('receive', error as Error)
    }
    if (this.#toWorker.takeIdle()) this.#wake.signal()
  }

  readonly #take = (buffer: Buffer, octets: number): void => {
    // The host talking to itself is none of the dataplane's business.
    if (octets < 20 || buffer[12] === 127 || buffer[16] === 127) return
    this.#toWorker.push(buffer, 0, octets)
  }

  async #sendAll(): Promise<void> {
    while (!this.#closed) {
      const signalled = this.#fromWorker.signalled()
      if (this.#fromWorker.goIdle()) await signalled
      while (!this.#closed && this.#sendTurn() === TURN_MAX)
        await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** Returns how many packets were taken from the queue. */
  #sendTurn(): number {
    let n = 0
    for (; n < TURN_MAX; n++) {
      const octets = this.#fromWorker.shift(this.#outgoing, 0)
      if (octets === 0) break
      if (octets < 20) continue
      try {
        this.#sending?.send(this.#outgoing, 0, octets, this.#destination(), ignore)
      } catch (error) {
        // Full buffers included: a raw socket drops then, as a full link does.
        this.#complain('send', error as Error)
      }
    }
    return n
  }

  /** The library takes text; few destinations make up most of the traffic. */
  #destination(): string {
    const address = this.#outgoing.readInt32BE(16)
    let text = this.#texts.get(address)
    if (text !== undefined) return text
    if (this.#texts.size >= 10_000) this.#texts.clear()
    text = this.#outgoing.subarray(16, 20).join('.')
    this.#texts.set(address, text)
    return text
  }

  #complain(doing: string, error: Error): void {
    const key = `${doing}: ${error.message}`
    const nowMs = performance.now()
    const known = this.#complaints.get(key) ?? { count: 0, dueMs: 0 }
    this.#complaints.set(key, known)
    known.count++
    if (nowMs < known.dueMs) return
    known.dueMs = nowMs + COMPLAIN_MS
    this.#logger.warn({ packets: known.count }, `raw socket could not ${key}`)
  }
}

const ignore = () => undefined

const isAgain = (error: unknown) => /temporarily unavailable/.test((error as Error).message)
