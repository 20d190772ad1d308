/** `sluice replay`: what the dataplane would do, and why, with the packets of a capture. */
import { statSync } from 'node:fs'
import { CaptureError } from './pcap/capture.js'
import { reasonOf } from './pcap/octet-source.js'
import { readCapture } from './pcap/reader.js'
import { CaptureWriter } from './pcap/writer.js'
import { ConfigurationError, type ReplayConfiguration } from './replay/configuration.js'
import { readConfiguration } from './replay/read-configuration.js'
import { Replayer } from './replay/replayer.js'
import { JsonReport } from './replay/report-json.js'
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

/** Where a replay writes: standard output and standard error, unless a test wants to see it. */
export interface Terminal {
  print: (line: string) => void
  complain: (text: string) => void
  flush: () => void
}

/** Returns the exit status. Reports go to standard output, faults to standard error. */
export async function replay(flags: ReplayFlags, terminal = ownTerminal()): Promise<number> {
  try {
    const configuration = await readConfiguration(flags.config)
    return run(flags, configuration, terminal)
  } catch (error) {
    if (error instanceof ConfigurationError) {
      for (const fault of error.faults) terminal.complain(fault)
      return USAGE
    }
    if (!(error instanceof Refusal)) throw error
    terminal.complain(error.message)
    return FAILED
  } finally {
    terminal.flush()
  }
}

function run(flags: ReplayFlags, configuration: ReplayConfiguration, terminal: Terminal): number {
  const { print, complain } = terminal
  const quiet = flags.quiet === true
  const report =
    flags.output === 'json' ? new JsonReport(print, quiet) : new TextReport(print, quiet)
  const capture = readCapture(flags.in)
  // Read first: a capture that is none shall not cost an old --out.
  const first = firstOf(flags.in, () => capture.next())
  const out = flags.out === undefined ? null : createWriter(flags.out, flags.in)
  const replayer = new Replayer({
    ...{ configuration, report },
    write: (timeNs, frame) => out?.write(timeNs, frame),
  })
  let status = OK
  let cut = 0
  try {
    for (let next = first; next.done !== true; next = capture.next()) {
      if (next.value.bytes.length < next.value.wireOctets) cut++
      replayer.packet(next.value)
    }
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error
    complain(`${flags.in}: ${error.message}`)
    status = FAILED
  } finally {
    capture.return(undefined)
    out?.close()
  }
  replayer.finish()
  if (cut === 0) return status
  const s = cut === 1 ? ' was' : 's were'
  complain(`${flags.in}: ${cut} packet${s} cut by the capture; record whole ones (tcpdump -s 0)`)
  return FAILED
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

function createWriter(path: string, input: string): CaptureWriter {
  try {
    if (isSameFile(path, input)) throw new Refusal(`${path}: --out is the capture that is read`)
    return new CaptureWriter(path)
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(`${path}: ${reasonOf(error)}`)
  }
}

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map(path => statSync(path, { throwIfNoEntry: false }))
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev
}

function ownTerminal(): Terminal {
  const lines = new LineWriter(process.stdout.fd)
  return {
    print: line => lines.write(line),
    complain: text => void process.stderr.write(`sluice: ${text}\n`),
    flush: () => lines.flush(),
  }
}
