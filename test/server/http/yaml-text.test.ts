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
