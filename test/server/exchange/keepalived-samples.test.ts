/** The samples of Debian's package, which keepalived's own authors wrote. */
import t from 'tap'
import { importKeepalived } from '../../../server/exchange/keepalived-import.js'
import { exportKeepalived } from '../../../server/exchange/keepalived-export.js'
import { complaints, samples } from './keepalived-program.js'
import { configurationOf } from './records.js'

const texts = samples()

/** Lines that say something, read without the importer: comments and braces say nothing. */
function speaking(text: string): number[] {
  return text.split('\n').flatMap((line, i) => {
    const bare = line.replace(/^((?:[^"!#]|"[^"]*")*)[!#].*$/, '$1').replace(/[{}\s]/g, '')
    return bare === '' ? [] : [i + 1]
  })
}

t.test('there are samples', async t => {
  t.ok(texts.size >= 25, `${texts.size} files`)
})

for (const [name, text] of texts) {
  t.test(name, async t => {
    const { document, report, summary } = await importKeepalived(text)
    t.strictSame([...new Set(report.map(({ line }) => line))], speaking(text), 'every line is told')
    t.equal(summary.refused, 0)
    t.ok(report.every(({ action, reason }) => action === 'taken' || reason !== undefined))
    const lines = text.split('\n')
    for (const { line, column, text } of report)
      t.ok(lines[line - 1]!.startsWith(text, column - 1), `line ${line}, column ${column}`)
    const services = Object.values(document.virtualServices)
    const blocks = text.match(/^\s*virtual_server\s/gm)?.length ?? 0
    if (!name.endsWith('group')) t.equal(services.length, blocks)
    const servers = text.match(/^\s*real_server\s/gm)?.length ?? 0
    const taken = services.map(({ realServers }) => Object.keys(realServers!).length)
    if (!name.endsWith('group'))
      t.equal(
        taken.reduce((a, b) => a + b, 0),
        servers,
      )
    if (services.length === 0) return
    const exported = await exportKeepalived(configurationOf(document))
    t.equal(complaints(exported.text), '', 'keepalived takes what we write')
    const again = await importKeepalived(exported.text)
    t.strictSame(again.document, document, 'and it says the same')
    t.equal(again.summary.changed + again.summary.ignored + again.summary.refused, 0)
  })
}

t.test('a group stands for its addresses, ranges and marks', async t => {
  const { document } = await importKeepalived(texts.get('keepalived.conf.virtual_server_group')!)
  const range = [3, 4, 5, 6, 7, 8, 9, 10].map(n => `tcp-192-168-200-${n}-80`)
  t.strictSame(Object.keys(document.virtualServices), [
    ...['tcp-10-0-0-1-8080', 'tcp-10-0-0-2-80', 'tcp-192-168-200-1-1358'],
    ...range,
    ...['fwm-1', 'fwm-2'],
  ])
  t.match(document.virtualServices['fwm-2'], {
    ...{ fwmark: 2, addressFamily: 'ipv4', scheduler: 'rr', persistence: { timeoutSeconds: 50 } },
    realServers: {
      '192-168-200-1-1358': { address: '192.168.200.1', port: 1358, forwarding: 'masq', weight: 1 },
      '192-168-200-2-1358': { address: '192.168.200.2', port: 1358 },
    },
  })
})

t.test('a condition is decided by the configuration id', async t => {
  const text = texts.get('keepalived.conf.conditional_conf')!
  const high = await importKeepalived(text, { configId: 'high' })
  const isOther = (reason = '') => reason.startsWith('It is for another configuration id')
  const skipped = high.report.filter(({ reason }) => isOther(reason)).map(({ text }) => text)
  t.equal(skipped.length, 3)
  t.ok(skipped.every(line => line.startsWith('@low')))
})
