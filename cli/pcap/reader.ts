/** Opens a capture of either format. */
import { CaptureError, type CapturedPacket } from './capture.js'
import { dialectOf, readClassic, viewOf } from './classic.js'
import { OctetSource } from './octet-source.js'
import { readPcapng, SECTION_HEADER } from './pcapng.js'

/** First octets of what people compress captures with. */
const COMPRESSED: readonly (readonly [name: string, magic: number, program: string])[] = [
  ['gzip', 0x1f8b, 'gunzip'],
  ['zstd', 0x28b5, 'unzstd'],
  ['xz', 0xfd37, 'unxz'],
]

/**
 * The packets of a file, `-` for standard input, read as they are asked for. Throws CaptureError,
 * from the first packet on, where the file cannot be read any further.
 */
export function* readCapture(path: string): Generator<CapturedPacket> {
  const source = new OctetSource(path)
  try {
    const magic = viewOf(source.take(4))
    if (magic.byteLength < 4) throw new CaptureError(emptyOrShort(magic.byteLength), null)
    const dialect = dialectOf(magic)
    if (dialect !== null) yield* readClassic(source, dialect)
    else if (magic.getUint32(0) === SECTION_HEADER) yield* readPcapng(source)
    else throw new CaptureError(unknownFile(magic), null)
  } finally {
    source.close()
  }
}

const emptyOrShort = (octets: number): string =>
  octets === 0 ? 'the file is empty' : `the file has ${octets} octets, which is no capture`

function unknownFile(magic: DataView): string {
  const found = COMPRESSED.find(([, start]) => magic.getUint16(0) === start)
  if (found !== undefined) return `it is compressed with ${found[0]}; unpack it with ${found[2]}`
  const octets = magic.getUint32(0).toString(16).padStart(8, '0')
  return `it is neither pcap nor pcapng: it starts with 0x${octets}`
}
