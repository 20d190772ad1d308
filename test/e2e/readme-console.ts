/** What the README shows: its fenced blocks, and consoles with commands and what they answer. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../lab/root.js'

export interface Step {
  /** After `$ `; or a remark after `# `, which the test has to make true. */
  command: string | null
  remark: string | null
  /** Lines of standard output; see `matches`. */
  shown: string
}

/** Contents of all fenced blocks of one language, in order. */
export function blocks(language: string): string[] {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const fence = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm')
  return [...text.matchAll(fence)].map(([, content]) => content!)
}

/** `$ command`, lines of output, `# remark`. */
export function steps(console: string): Step[] {
  const all: Step[] = []
  for (const line of console.split(/^/m)) {
    const [, kind, rest] = /^([$#]) (.*)\n$/.exec(line) ?? []
    if (kind === '$') all.push({ command: rest!, remark: null, shown: '' })
    else if (kind === '#') all.push({ command: null, remark: rest!, shown: '' })
    else all.at(-1)!.shown += line
  }
  return all
}

/**
 * Whether output is what is shown: `…` stands for any text, also of several lines, and blanks for
 * blanks, as columns are as wide as what is in them.
 */
export function matches(shown: string, output: string): boolean {
  const parts = shown
    .trimEnd()
    .split('…')
    .map(part =>
      part
        .split(/ +/)
        .map(word => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
        .join(' +'),
    )
  return new RegExp(`^${parts.join('[^]*?')}$`).test(output.trimEnd())
}
