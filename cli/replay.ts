/** `sluice replay`: what the dataplane would do, and why, with the packets of a capture. */
import { CaptureError } from './pcap/capture.js'
import { reasonOf } from './pcap/octet-source.js'
import { readCapture } from './pcap/reader.js'
import { CaptureWriter } from './pcap/writer.js'
import { ConfigurationError } from './replay/configuration.js'
import { readConfiguration } from './replay/read-configuration.js'
import { Replayer } from './replay/replayer.js'
import { JsonReport } from './replay/report-json.js'
import type { Report } from './replay/report.js'
import { TextReport } from './replay/report-text.js'
import { LineWriter } from './replay/line-writer.js'

export interface ReplayFlags {
  config: string
  in: string
  out?: string
  output: 'text' | 'json'
  quiet?: boolean
}

const OK = 0
const FAILED = 1
const USAGE = 2

/** Returns the exit status. Reports go to standard output, faults to standard error. */
export async function replay(flags: ReplayFlags): Promise<number> {
  let configuration
  try {
    configuration = await readConfiguration(flags.config)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    for (const fault of error.faults) complain(fault)
    return USAGE
  }
  const lines = new LineWriter(process.stdout.fd)
  const print = (line: string) => lines.write(line)
  const quiet = flags.quiet === true
  const report: Report =
    flags.output === 'json' ? new JsonReport(print, quiet) : new TextReport(print, quiet)
  const capture = readCapture(flags.in)
  let writer: CaptureWriter | null = null
  let status = OK
  try {
    // Read first: a capture that is none shall not cost an old --out.
    let next = firstOf(flags.in, () => capture.next())
    writer = flags.out === undefined ? null : createWriter(flags.out)
    const out = writer
    const replayer = new Replayer({
      ...{ configuration, report },
      write: (timeNs, frame) => out?.write(timeNs, frame),
    })
    let cut = 0
    try {
      for (; next.done !== true; next = capture.next()) {
        if (next.value.bytes.length < next.value.wireOctets) cut++
        replayer.packet(next.value)
      }
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error
      complain(`${flags.in}: ${error.message}`)
      status = FAILED
    }
    replayer.finish()
    if (cut > 0) {
      const s = cut === 1 ? ' was' : 's were'
      complain(
        `${flags.in}: ${cut} packet${s} cut by the capture; record whole ones (tcpdump -s 0)`,
      )
      status = FAILED
    }
    out?.close()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    complain(error.message)
    status = FAILED
  } finally {
    capture.return(undefined)
    lines.flush()
  }
  return status
}

class Refusal extends Error {}

function firstOf<T>(path: string, take: () => T): T {
  try {
    return take()
  } catch (error) {
    if (error instanceof CaptureError) throw new Refusal(`${path}: ${error.message}`)
    throw error
  }
}

function createWriter(path: string): CaptureWriter {
  try {
    return new CaptureWriter(path)
  } catch (error) {
    throw new Refusal(`${path}: ${reasonOf(error)}`)
  }
}

function complain(text: string): void {
  process.stderr.write(`sluice: ${text}\n`)
}
