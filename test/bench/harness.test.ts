// What turns samples into tables, verdicts and plots, judged by Python: its statistics module and
// its XML parser. No bench runs here.
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { fromSeed } from '../fixtures/random.js'
import { chart } from './chart.js'
import { markdownTable } from './markdown.js'
import {
  factVerdict,
  least,
  medianTable,
  most,
  ratioTable,
  sheetVerdicts,
  type Sheet,
} from './sheet.js'
import { median, percentile, quotients } from './statistics.js'
import { turned } from './turns.js'

function python(script: string, input: string): unknown {
  const run = spawnSync('python3', ['-c', script], { input, encoding: 'utf8' })
  if (run.status !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout)
}

const sheet: Sheet = {
  title: 'Packets <delivered> & "counted"',
  unit: 'kpps',
  digits: 1,
  rows: [
    {
      name: 'one flow',
      samples: { Sluice: [80, 100, 90], nft: [100, 100, 200], nginx: [40, 10, 20] },
      targets: [least('nft', 0.8), least('nft', 0.4, true), least('nginx', 5), most('absent', 1)],
    },
    { name: 'many flows', samples: { Sluice: [50], nft: [100] }, targets: [most('nft', 0.4)] },
  ],
}

t.test('percentiles are those of Python', async t => {
  const random = fromSeed(5)
  for (const count of [2, 3, 10, 101]) {
    const values = Array.from({ length: count }, () => random(1000) / 7)
    const theirs = python(
      'import json,sys,statistics as s; v=json.load(sys.stdin)\n' +
        'print(json.dumps([s.median(v)]+s.quantiles(v, n=100, method="inclusive")))',
      JSON.stringify(values),
    ) as number[]
    const ours = [
      median(values),
      ...Array.from({ length: 99 }, (_, i) => (i + 1) / 100).map(at => percentile(values, at)),
    ]
    for (const [i, value] of ours.entries())
      t.ok(Math.abs(value - theirs[i]!) < 1e-9, `${count} values, ${i}`)
  }
  t.ok(Number.isNaN(median([])))
})

t.test('ratios are those of one round', async t => {
  t.strictSame(quotients([80, 100, 90], [100, 100, 200]), [0.8, 1, 0.45])
  // 0.8 is the median ratio; the ratio of the medians would be 0.9.
  const [first, , header] = ratioTable(sheet).split('\n').toReversed()
  t.match(first, /many flows .* 0\.50 \|\s+- \|$/)
  t.match(header, /---/)
  t.match(ratioTable(sheet), /one flow .* 0\.80 \|\s+4\.50 \|/)
  t.match(medianTable(sheet), /one flow .* 90\.0 \(80\.0 to 100\.0\) \|/)
})

t.test('verdicts say which side a bound is on, and which round', async t => {
  const verdicts = sheetVerdicts(sheet).map(({ measured, target, met }) => [measured, target, met])
  t.strictSame(verdicts, [
    ['0.80 of nft', 'at least 0.8', true],
    ['0.45 of nft', 'at least 0.4', true],
    ['4.50 of nginx', 'at least 5', false],
    ['0.50 of nft', 'at most 0.4', false],
  ])
  const fact = { name: 'RSS', value: 2.5, unit: 'GB', digits: 1 }
  t.strictSame(factVerdict(fact), [])
  const [judged] = factVerdict({ ...fact, target: { side: 'most', value: 2 } })
  t.match(judged, { measured: '2.5 GB', target: 'at most 2 GB', met: false })
})

t.test('a plot is XML whose bars are as long as the medians', async t => {
  const script = `import json,sys,xml.etree.ElementTree as e
root=e.fromstring(sys.stdin.read()); n='{http://www.w3.org/2000/svg}'
print(json.dumps({'size':[float(root.get(k)) for k in('width','height')],
 'bars':[float(r.get('width')) for r in root.iter(n+'rect') if r.get('height')=='12'],
 'low':[float(r.get('y','0'))+float(r.get('height')) for r in root.iter(n+'rect')],
 'text':[r.text for r in root.iter(n+'text')]}))`
  const read = python(script, chart([sheet, sheet])) as {
    size: [number, number]
    bars: number[]
    low: number[]
    text: string[]
  }
  t.equal(read.bars.length, 10, 'five in each of two panels')
  const [sluice = 0, nft = 0, nginx = 0] = read.bars
  t.ok(Math.abs(sluice / nft - 0.9) < 0.01, 'medians 90 and 100')
  t.ok(Math.abs(nginx / nft - 0.2) < 0.01, 'medians 20 and 100')
  t.ok(
    read.low.every(y => y <= read.size[1]),
    'nothing below the edge',
  )
  t.ok(read.text.includes(`${sheet.title}, kpps`), 'text survives escaping')
})

t.test('tables line up, turns rotate', async t => {
  const lines = markdownTable([
    ['what', 'x'],
    ['longer than that', '12345'],
  ]).split('\n')
  t.equal(new Set(lines.map(line => line.length)).size, 1)
  t.strictSame(turned(['a', 'b', 'c'], 4), ['b', 'c', 'a'])
})
