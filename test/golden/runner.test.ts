/** The runner must notice: every way in which a case can differ is put into one that passes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runCases } from './runner.js'

interface LooseCase {
  setup: Record<string, unknown>[]
  steps: Record<string, unknown>[]
  [key: string]: unknown
}

const original = readFileSync(join(import.meta.dirname, 'kernel/nat/nat_tcp.json'), 'utf8')

async function outcomeOf(change: (golden: LooseCase) => void): Promise<string> {
  const golden = JSON.parse(original) as LooseCase
  change(golden)
  const folder = t.testdir()
  writeFileSync(join(folder, 'changed.json'), JSON.stringify(golden))
  const lines: string[] = []
  await runCases([folder], line => lines.push(line))
  return lines.join('\n')
}

const outputs = (golden: LooseCase, step: number) =>
  golden.steps[step]!.out as { port: string; dmac: string; ip: string }[]

t.test('the case passes as it is', async t => {
  t.equal(await outcomeOf(() => undefined), '1 passed, 0 failed')
})

t.test('every octet counts', async t => {
  const { length } = (JSON.parse(original) as LooseCase).steps[0]!.ip as string
  for (let at = 0; at < length; at += 14) {
    const text = await outcomeOf(golden => {
      const out = outputs(golden, 0)[0]!
      const digit = out.ip[at] === '0' ? '1' : '0'
      out.ip = out.ip.slice(0, at) + digit + out.ip.slice(at + 1)
    })
    t.match(text, /0 passed, 1 failed$/, `digit ${at}`)
  }
})

t.test('wire, neighbour, presence and absence', async t => {
  const changes: ((golden: LooseCase) => void)[] = [
    golden => (outputs(golden, 0)[0]!.port = 'client'),
    golden => (outputs(golden, 0)[0]!.dmac = '02:00:00:00:01:12'),
    golden => outputs(golden, 0).pop(),
    golden => outputs(golden, 0).push(outputs(golden, 1)[0]!),
  ]
  for (const change of changes) t.match(await outcomeOf(change), /1 failed$/)
})

t.test('what commands print, and their exit status', async t => {
  const listing = (golden: LooseCase) => golden.steps.find(s => 'cmd' in s)!
  const changes: ((golden: LooseCase) => void)[] = [
    golden => (listing(golden).out = String(listing(golden).out).replace('ESTABLISHED', 'NONE')),
    golden => (listing(golden).out = String(listing(golden).out).replace('15:00', '14:57')),
    golden => (listing(golden).exit = 1),
    golden => golden.setup.push({ cmd: 'ipvsadm -D -t 192.0.2.1:80' }),
  ]
  for (const change of changes) t.match(await outcomeOf(change), /1 failed$/)
})

t.test('nothing unknown is skipped', async t => {
  const changes: [(golden: LooseCase) => void, RegExp][] = [
    [golden => (golden.extra = 1), /unknown field 'extra'/],
    [golden => (golden.steps[0]!.extra = 1), /unknown field 'extra'/],
    [golden => golden.steps.unshift({ sleep: 1 }), /no field/],
    [golden => golden.steps.unshift({ cmd: 'iptables -L' }), /unknown command/],
    [golden => golden.steps.unshift({ sysctl: { nonsense: '1' } }), /the setting nonsense/],
  ]
  for (const [change, message] of changes) {
    const text = await outcomeOf(change)
    t.match(text, message)
    t.match(text, /1 failed$/)
  }
})
