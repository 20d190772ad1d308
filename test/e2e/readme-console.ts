/** What the README shows: its fenced blocks, and consoles with commands and what they answer. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../lab/root.js'

const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

export interface Step {
  /** After `$ `; or a remark after `# `, which the test has to make true. */
  command: string | null
  remark: string | null
  /** Lines of standard output; see `matches`. */
  shown: string
}

export interface Block {
  language: string
  content: string
}

/** Everything of the README that stands between fences, in order. */
export function blocks(): Block[] {
  const fence = /^```(\w*)\n([^]*?)^```$/gm
  return [...README.matchAll(fence)].map(([, language, content]) => ({
    language: language!,
    content: content!,
  }))
}

/** Lines outside of fences that Markdown takes for code as they are indented. */
export function indentedLines(): string[] {
  const prose = README.replaceAll(/^```[^]*?^```$/gm, '')
  return [...prose.matchAll(/^(?: {4}|\t).*/gm)].map(([line]) => line)
}

/** `$ command`, lines of output, `# remark` where the remark is one of these. */
export function steps(console: string, remarks: ReadonlySet<string>): Step[] {
  const all: Step[] = []
  for (const line of console.split(/^/m)) {
    const [, kind, rest] = /^([$#]) (.*)\n$/.exec(line) ?? []
    if (kind === '$') all.push({ command: rest!, remark: null, shown: '' })
    else if (kind === '#' && remarks.has(rest!)) {
      all.push({ command: null, remark: rest!, shown: '' })
    } else all.at(-1)!.shown += line
  }
  return all
}

/**
 * Whether output is what is shown: `…` stands for any text, also of several lines, and blanks for
 * blanks, as columns are as wide as what is in them. JSON is laid out for people: there blanks say
 * nothing.
 */
export function matches(shown: string, output: string): boolean {
  const isJson = shown.startsWith('{')
  const tidied = (text: string) => (isJson ? text.replaceAll(/\s+/g, '') : text.trimEnd())
  const parts = tidied(shown)
    .split('…')
    .map(part =>
      part
        .split(/ +/)
        .map(word => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
        .join(' +'),
    )
  return new RegExp(`^${parts.join('[^]*?')}$`).test(tidied(output))
}
