import { openSync, readSync, watch } from 'node:fs'

/** A descriptor that appends to a new file. */
export const openLog = (path: string): number => openSync(path, 'a')

/** Tells of everything that is written to a file, as it is written; returns what ends that. */
export function followFile(path: string, tell: (text: string) => void): () => void {
  const descriptor = openSync(path, 'r')
  const part = Buffer.alloc(65536)
  const read = () => {
    for (;;) {
      const octets = readSync(descriptor, part, 0, part.length, null)
      if (octets === 0) return
      tell(part.toString('utf8', 0, octets))
    }
  }
  const watcher = watch(path, { persistent: false }, read)
  read()
  return () => {
    read()
    watcher.close()
  }
}
