/** The blocks of a keepalived.conf. */
import { DEPTH_MAX } from '../limits.js'
import { mark, type Entry, type Report } from '../report.js'
import type { Line } from './expansion.js'
import { piecesOf, wordsOf } from './words.js'

export interface Node {
  keyword: string
  args: string[]
  entry: Entry
  /** Null when no block follows. */
  children: Node[] | null
}

/** Every statement has an entry in the report, at first `taken`; braces have none. */
export function readTree(lines: readonly Line[], report: Report): Node[] {
  const roots: Node[] = []
  const stack: { node: Node | null; children: Node[] }[] = [{ node: null, children: roots }]
  /** Blocks deeper than anything means; their lines are skipped. */
  let tooDeep = 0
  for (const line of lines) {
    for (const piece of piecesOf(line.text)) {
      const top = stack.at(-1)!
      const column = line.isVerbatim ? line.column + piece.at : line.column
      const where = { line: line.line, column, text: piece.text }
      if (piece.text === '{') {
        const node = top.children.at(-1)
        if (tooDeep > 0 || stack.length > DEPTH_MAX) tooDeep++
        else if (node === undefined || node.children !== null) {
          const reason = 'No statement is there for this block to belong to.'
          const orphan = nodeOf('{', report.add(where, 'refused', reason))
          top.children.push(orphan)
          stack.push({ node: orphan, children: (orphan.children = []) })
        } else stack.push({ node, children: (node.children = []) })
      } else if (piece.text === '}') {
        if (tooDeep > 0) tooDeep--
        else if (stack.length > 1) stack.pop()
        else report.add(where, 'refused', 'No block is open that this could close.')
      } else if (tooDeep > 0) report.add(where, 'refused', 'Blocks are nested too deeply.')
      else top.children.push(nodeOf(piece.text, report.add(where, 'taken')))
    }
  }
  for (const { node } of stack.slice(1)) mark(node!.entry, 'refused', 'The block is never closed.')
  return roots
}

function nodeOf(text: string, entry: Entry): Node {
  const [keyword, ...args] = wordsOf(text).map(word => word.text)
  return { keyword: keyword!, args, entry, children: null }
}

/** Everything in a block, but not what opens it. */
export function* within(node: Node): Generator<Node> {
  for (const child of node.children ?? []) {
    yield child
    yield* within(child)
  }
}
