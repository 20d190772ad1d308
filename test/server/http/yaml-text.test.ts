import t from 'tap'
import { parseYaml } from '../../../server/http/yaml-text.js'

t.test('nothing that somebody sends writes into the log of the process', async t => {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  t.strictSame(parseYaml('? [a]\n: b\n'), { value: { '[ a ]': 'b' } })
  t.ok('value' in parseYaml('a: !mine b\n'))
  t.ok('fault' in parseYaml('a: [\n'))
  // Node tells of warnings in the next turn.
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(warnings, [])
})

t.test('what is wrong is said in words for whoever wrote the text', async t => {
  const fault = (text: string) => parseYaml(text) as { fault?: { line: number; detail: string } }
  t.match(fault('a: 1\n---\na: 2\n'), { fault: { line: 2, detail: /second document/ } })
  const deep = (levels: number) => `a: ${'['.repeat(levels)}${']'.repeat(levels)}`
  t.ok('value' in parseYaml(deep(30)))
  for (const levels of [40, 20_000])
    t.match(fault(deep(levels)), { fault: { detail: /deeper than 32 levels/ } }, `${levels}`)
  const laughs = [
    'a0: &a0 [x]',
    ...[1, 2, 3, 4].map(i => `a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`),
  ]
  t.match(fault(laughs.join('\n')), { fault: { detail: /more than 100 aliases/ } })
  t.match(fault('a: *b\n'), { fault: { detail: /Unresolved alias/ } })
})
