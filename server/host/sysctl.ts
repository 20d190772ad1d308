/** Kernel settings below /proc/sys, by their path with slashes: interface names may hold dots. */
import { readFileSync, writeFileSync } from 'node:fs'

export interface Sysctls {
  /** Null where this kernel has no such setting. */
  get(name: string): string | null
  set(name: string, value: string): void
}

export const sysctls: Sysctls = {
  get(name) {
    try {
      return readFileSync(`/proc/sys/${name}`, 'utf8').trim()
    } catch {
      return null
    }
  },
  set(name, value) {
    writeFileSync(`/proc/sys/${name}`, value)
  },
}
