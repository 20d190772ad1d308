/** What this host lacks to run Sluice, each with the command that mends it. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config.js'
import { checkAddressing, checkInterfaces } from './doctor-network.js'
import {
  checkDriver,
  checkHugePages,
  checkLesserPrivileges,
  checkLimits,
  checkPrivileges,
  checkTools,
  openDriver,
} from './doctor-system.js'
import { run, type Run } from './command.js'
import { fine, type Finding, type Severity } from './finding.js'
import { runningInstance } from './instance.js'
import { listInterfaces, type HostInterface } from './interfaces.js'
import { sysctls, type Sysctls } from './sysctl.js'

export interface Report {
  severity: Severity
  findings: Finding[]
  /** Interfaces that `serve` would use with this configuration. */
  interfaces: string[]
}

/** Everything a check looks at, so that a test can show it another host. */
export interface Host {
  run: Run
  sysctls: Sysctls
  /** The text of a file, or null when it cannot be read. */
  read: (file: string) => string | null
  uid: number
  /** Loads what the driver needs and opens one of its sockets; throws when that fails. */
  openDriver: (driver: Config['driver']) => Promise<void>
  runningInstance: () => Promise<number | null | undefined>
}

/** The host that this process runs on. */
export const thisHost: Host = {
  run,
  sysctls,
  read: readText,
  uid: process.geteuid?.() ?? -1,
  openDriver,
  runningInstance,
}

/** Runs every check, whatever the others find. */
export async function examine(
  config: Pick<Config, 'driver' | 'interfaces'>,
  host: Host,
): Promise<Report> {
  const findings: Finding[] = [...checkPrivileges(host), ...(await checkTools(host))]
  const present = await interfacesOf(host)
  const { used, found } = checkInterfaces(config, present)
  findings.push(...found)
  findings.push(...(await checkDriver(config.driver, host)))
  findings.push(...checkLesserPrivileges(host), checkHugePages(host), checkLimits(host))
  findings.push(...checkAddressing(config.driver, used, host))
  findings.push(await checkInstance(host))
  return {
    severity: worst(findings),
    findings,
    interfaces: used.map(each => each.name),
  }
}

/** Without a working `ip` there is none to look at; its own check says so. */
async function interfacesOf(host: Host): Promise<HostInterface[]> {
  return listInterfaces(host.run).catch(() => [])
}

async function checkInstance(host: Host): Promise<Finding> {
  const pid = await host.runningInstance()
  if (pid === undefined) return fine('instance', 'no other Sluice runs in this network namespace')
  return {
    check: 'instance',
    severity: 'fatal',
    message: `another Sluice${pid === null ? '' : ` (process ${pid})`} runs in this network namespace`,
    remedy: pid === null ? null : `kill ${pid}`,
  }
}

const ORDER: readonly Severity[] = ['ok', 'hint', 'warning', 'fatal']

function worst(findings: readonly Finding[]): Severity {
  return findings.reduce<Severity>(
    (most, { severity }) => (ORDER.indexOf(severity) > ORDER.indexOf(most) ? severity : most),
    'ok',
  )
}

/** The report as people read it; `least` leaves out what is milder. */
export function formatReport(report: Report, least: Severity = 'ok'): string {
  return report.findings
    .filter(({ severity }) => ORDER.indexOf(severity) >= ORDER.indexOf(least))
    .map(({ check, severity, message, remedy }) => {
      const line = `${severity.padEnd(7)}  ${check.padEnd(12)}  ${message}`
      return remedy === null ? line : `${line}\n${' '.repeat(23)}> ${remedy}`
    })
    .join('\n')
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
