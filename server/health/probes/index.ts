/** The kinds of checks; a probe that needs something is made with it. */
import type { CheckKind, CheckSpec } from '../check-spec.js'
import type { Pinger } from '../pinger.js'
import type { Run } from '../run.js'
import type { SctpAsker } from '../sctp-asker.js'
import { commandProbe } from './command.js'
import { probeDns } from './dns.js'
import { externalProbe, type ReportBook } from './external.js'
import { fileProbe } from './file.js'
import { probeHttp, probeHttps } from './http.js'
import { icmpProbe } from './icmp.js'
import type { Probe } from './probe.js'
import { sctpProbe } from './sctp.js'
import { probeSmtp } from './smtp.js'
import { probeTcp } from './tcp.js'
import { probeTls } from './tls.js'
import { probeUdp } from './udp.js'

export interface ProbeTools {
  pinger: Pinger
  sctpAsker: SctpAsker
  reports: ReportBook
  /** Folders of check commands and check files; null switches them off. */
  commandFolder: string | null
  fileFolder: string | null
}

type Probes = { readonly [K in CheckKind]: (tools: ProbeTools, key: string) => Probe<K> }

const PROBES: Probes = {
  tcp: () => probeTcp,
  tls: () => probeTls,
  http: () => probeHttp,
  https: () => probeHttps,
  udp: () => probeUdp,
  dns: () => probeDns,
  icmp: ({ pinger }) => icmpProbe(pinger),
  smtp: () => probeSmtp,
  sctp: ({ sctpAsker }) => sctpProbe(sctpAsker),
  command: ({ commandFolder }) => commandProbe(commandFolder),
  file: ({ fileFolder }) => fileProbe(fileFolder),
  external: ({ reports }, key) => externalProbe(reports, key),
}

/** Starts the probe of a check; `key` names it in the book of reports. */
export function startProbe(check: CheckSpec, tools: ProbeTools, key: string, run: Run): void {
  // The table has a probe for each kind by its type; which one it is, is known only here.
  const probe = PROBES[check.kind](tools, key) as (check: CheckSpec, run: Run) => void
  try {
    probe(check, run)
  } catch (error) {
    // An address or a field that Node.js refuses: one check's fault, nobody else's.
    run.fail('internal', `The probe cannot start: ${(error as Error).message}.`)
  }
}
