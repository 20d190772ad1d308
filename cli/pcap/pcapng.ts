/**
 * The pcapng format (draft-ietf-opsawg-pcapng). A file is a row of blocks, each with its length in
 * front and behind; a section header gives the byte order of what follows, interfaces are numbered
 * anew in each section.
 *
 *     block   | type | length | body, padded to 4 ... | length |
 *     option  | code | length | value, padded to 4 ... |        code 0 ends the list
 */
import { CaptureError, PACKET_OCTETS_MAX, type CapturedPacket } from './capture.js'
import { viewOf } from './classic.js'
import type { OctetSource } from './octet-source.js'

/** The section header's type reads the same in both byte orders. */
export const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const OLD_PACKET = 2
const SIMPLE_PACKET = 3
const ENHANCED_PACKET = 6
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const OPTION_NAME = 2
const OPTION_RESOLUTION = 9
const OPTION_OFFSET = 14
const BILLION = 1_000_000_000n
/** Microseconds. */
const RESOLUTION_DEFAULT = 6

interface Interface {
  linkType: number
  snapOctets: number
  name: string | null
  /** Units of a second. */
  perSecond: bigint
  offsetS: bigint
}

interface Block {
  type: number
  position: number
  /** Without the lengths. */
  body: DataView
}

/** Packets of the file whose first four octets have been taken already. */
export function* readPcapng(source: OctetSource): Generator<CapturedPacket> {
  const reader = new BlockReader(source)
  let interfaces: Interface[] = []
  let number = 0
  for (let block = reader.next(); block !== null; block = reader.next()) {
    switch (block.type) {
      case SECTION_HEADER:
        interfaces = []
        break
      case INTERFACE_DESCRIPTION:
        interfaces.push(readInterface(block, reader.little))
        break
      case ENHANCED_PACKET:
        yield readEnhanced(block, ++number, interfaces, reader.little)
        break
      case SIMPLE_PACKET:
        yield readSimple(block, ++number, interfaces, reader.little)
        break
      case OLD_PACKET:
        yield readOld(block, ++number, interfaces, reader.little)
        break
      default:
      // Names, statistics, comments and whatever else is not a packet.
    }
  }
}

class BlockReader {
  little = true
  readonly #source: OctetSource
  #first = true

  constructor(source: OctetSource) {
    this.#source = source
  }

  next(): Block | null {
    const source = this.#source
    // The caller has looked at the type of the first block.
    const known = this.#first ? 4 : 0
    const position = source.position - known
    this.#first = false
    const head = viewOf(source.take(8 - known))
    if (head.byteLength === 0 && known === 0) return null
    if (head.byteLength < 8 - known) throw cutOff(position)
    const type = known === 4 ? SECTION_HEADER : head.getUint32(0, this.little)
    const lengthAt = 4 - known
    return type === SECTION_HEADER
      ? this.#section(position, head, lengthAt)
      : this.#block(type, position, head.getUint32(lengthAt, this.little), null)
  }

  /** Its byte order is told behind its length. */
  #section(position: number, head: DataView, lengthAt: number): Block {
    const magic = viewOf(this.#source.take(4))
    if (magic.byteLength < 4) throw cutOff(position)
    if (magic.getUint32(0, true) === BYTE_ORDER_MAGIC) this.little = true
    else if (magic.getUint32(0) === BYTE_ORDER_MAGIC) this.little = false
    else throw new CaptureError('the section header has no byte-order magic', position)
    return this.#block(SECTION_HEADER, position, head.getUint32(lengthAt, this.little), magic)
  }

  #block(type: number, position: number, length: number, taken: DataView | null): Block {
    const least = taken === null ? 12 : 28
    if (length < least || length % 4 !== 0 || length > PACKET_OCTETS_MAX + 1024)
      throw new CaptureError(`a block claims ${length} octets; the file is damaged`, position)
    const wanted = length - 8 - (taken?.byteLength ?? 0)
    const bytes = this.#source.take(wanted)
    if (bytes.length < wanted) throw cutOff(position)
    const view = viewOf(bytes)
    if (view.getUint32(wanted - 4, this.little) !== length)
      throw new CaptureError('a block has two different lengths; the file is damaged', position)
    return { type, position, body: viewOf(bytes.subarray(0, wanted - 4)) }
  }
}

const cutOff = (position: number) => new CaptureError('the file ends within a block', position)

function readInterface({ body, position }: Block, little: boolean): Interface {
  if (body.byteLength < 8) throw new CaptureError('an interface description is too short', position)
  const found: Interface = {
    linkType: body.getUint16(0, little),
    snapOctets: body.getUint32(4, little),
    name: null,
    perSecond: 10n ** BigInt(RESOLUTION_DEFAULT),
    offsetS: 0n,
  }
  for (let at = 8; at + 4 <= body.byteLength;) {
    const code = body.getUint16(at, little)
    const octets = body.getUint16(at + 2, little)
    const value = at + 4
    if (code === 0 || value + octets > body.byteLength) break
    if (code === OPTION_NAME) found.name = textOf(body, value, octets)
    if (code === OPTION_RESOLUTION && octets === 1)
      found.perSecond = unitsPerSecond(body.getUint8(value))
    if (code === OPTION_OFFSET && octets === 8) found.offsetS = body.getBigInt64(value, little)
    at = value + padded(octets)
  }
  return found
}

function readEnhanced(
  block: Block,
  number: number,
  interfaces: readonly Interface[],
  little: boolean,
): CapturedPacket {
  const { body } = block
  if (body.byteLength < 20) throw tooShort(block, number)
  const from = interfaceOf(block, number, interfaces, body.getUint32(0, little))
  const units = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little))
  return stamped(block, number, from, units, little)
}

/** Obsolete, but old tools wrote it: as the enhanced one, with a shorter interface number. */
function readOld(
  block: Block,
  number: number,
  interfaces: readonly Interface[],
  little: boolean,
): CapturedPacket {
  const { body } = block
  if (body.byteLength < 20) throw tooShort(block, number)
  const from = interfaceOf(block, number, interfaces, body.getUint16(0, little))
  const units = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little))
  return stamped(block, number, from, units, little)
}

/** What both have in common from the captured length on. */
function stamped(block: Block, number: number, from: Interface, units: bigint, little: boolean) {
  const { body } = block
  const captured = body.getUint32(12, little)
  const packet = packetOf(block, number, from, 20, captured)
  // Some writers leave the length on the wire at zero.
  const wireOctets = Math.max(captured, body.getUint32(16, little))
  return { ...packet, timeNs: nanoseconds(units, from), wireOctets }
}

/** Without time; its captured length follows from the interface's snap length. */
function readSimple(
  block: Block,
  number: number,
  interfaces: readonly Interface[],
  little: boolean,
): CapturedPacket {
  const { body } = block
  if (body.byteLength < 4) throw tooShort(block, number)
  const from = interfaceOf(block, number, interfaces, 0)
  const wireOctets = body.getUint32(0, little)
  const limit = from.snapOctets === 0 ? Infinity : from.snapOctets
  const captured = Math.min(wireOctets, limit)
  return { ...packetOf(block, number, from, 4, captured), timeNs: null, wireOctets }
}

function packetOf(block: Block, number: number, from: Interface, at: number, captured: number) {
  const { body, position } = block
  if (captured > body.byteLength - at) throw tooShort(block, number)
  const bytes = new Uint8Array(body.buffer, body.byteOffset + at, captured)
  return { number, position, linkType: from.linkType, interfaceName: from.name, bytes }
}

function interfaceOf(
  { position }: Block,
  number: number,
  interfaces: readonly Interface[],
  index: number,
): Interface {
  const found = interfaces[index]
  if (found !== undefined) return found
  const detail = `packet ${number} names interface ${index}, which the file does not describe`
  throw new CaptureError(detail, position)
}

const tooShort = ({ position }: Block, number: number) =>
  new CaptureError(`packet ${number} does not fit its block; the file is damaged`, position)

/** if_tsresol: a power of ten, or of two when the uppermost bit is set. */
function unitsPerSecond(resolution: number): bigint {
  const exponent = BigInt(resolution & 0x7f)
  return (resolution & 0x80) !== 0 ? 1n << exponent : 10n ** exponent
}

const nanoseconds = (units: bigint, { perSecond, offsetS }: Interface): bigint =>
  offsetS * BILLION + (units * BILLION) / perSecond

const padded = (octets: number): number => (octets + 3) & ~3

function textOf(body: DataView, at: number, octets: number): string {
  const bytes = new Uint8Array(body.buffer, body.byteOffset + at, octets)
  return new TextDecoder().decode(bytes).replace(/\0.*$/, '')
}
