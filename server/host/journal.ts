/**
 * What this Sluice has put on the host, kept in a file beside the database so that the next start
 * can take away what a killed one left. It is written before the host is touched, so it may name
 * things that never came to be; whoever reads it looks before removing. It says nothing about another boot or another
 * network namespace, where the same names mean other things.
 */
import { readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'

export interface OwnedAddress {
  address: string
  interface: string
  ifIndex: number
}

export interface HostRecord {
  addresses: OwnedAddress[]
  /** Kernel settings that were changed: name below /proc/sys to the value found before. */
  sysctls: Record<string, string>
}

export interface Journal {
  read(): HostRecord
  write(record: HostRecord): void
}

const EMPTY: HostRecord = { addresses: [], sysctls: {} }

export class FileJournal implements Journal {
  readonly #file: string
  readonly #place: string

  /** `place` names the boot and the network namespace; only tests give another one. */
  constructor(file: string, place = placeOfThisProcess()) {
    this.#file = file
    this.#place = place
  }

  read(): HostRecord {
    let text: string
    try {
      text = readFileSync(this.#file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return structuredClone(EMPTY)
      throw error
    }
    try {
      const { place, addresses, sysctls } = JSON.parse(text) as HostRecord & { place: string }
      if (place === this.#place && Array.isArray(addresses)) return { addresses, sysctls }
    } catch {
      // Half a file cannot be: it is renamed into place. What is no JSON is not ours to act on.
    }
    return structuredClone(EMPTY)
  }

  write(record: HostRecord): void {
    if (record.addresses.length === 0 && Object.keys(record.sysctls).length === 0) {
      rmSync(this.#file, { force: true })
      return
    }
    const temporary = `${this.#file}.new`
    writeFileSync(temporary, JSON.stringify({ place: this.#place, ...record }), { mode: 0o600 })
    renameSync(temporary, this.#file)
  }
}

/** Keeps the record in memory only. */
export class MemoryJournal implements Journal {
  record: HostRecord = structuredClone(EMPTY)
  read(): HostRecord {
    return structuredClone(this.record)
  }
  write(record: HostRecord): void {
    this.record = structuredClone(record)
  }
}

function placeOfThisProcess(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return `${boot} ${readlinkSync('/proc/self/ns/net')}`
}
