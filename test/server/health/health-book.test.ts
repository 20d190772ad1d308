import t from 'tap'
import { HealthBook } from '../../../server/health/health-book.js'
import type { HealthChange, HealthState } from '../../../server/health/health-book.js'

const AT = ['2026-11-22T10:00:00.000Z', '2026-11-22T10:00:05.000Z', '2026-11-22T10:00:09.000Z']
const health = (state: HealthState, since: string, detail: string | null = null) => ({
  state,
  since,
  detail,
})

/** A book, and what its listener was told. */
function listening() {
  const book = new HealthBook()
  const told: HealthChange[] = []
  const end = book.listen(change => told.push(change))
  return { book, told, end }
}

t.test('nothing is known of a server that nothing checks', async t => {
  const { book, told } = listening()
  t.equal(book.get('web', 'a'), undefined)
  book.delete('web', 'a')
  t.strictSame([...book.entries()], [])
  t.strictSame(told, [])
})

t.test('listeners hear of each change of state, with before and after', async t => {
  const { book, told, end } = listening()
  const unknown = health('unknown', AT[0]!)
  const down = health('down', AT[1]!, 'connection refused')
  book.set('web', 'a', unknown)
  book.set('web', 'a', down)
  book.delete('web', 'a')
  t.strictSame(told, [
    { service: 'web', server: 'a', before: undefined, after: unknown },
    { service: 'web', server: 'a', before: unknown, after: down },
    { service: 'web', server: 'a', before: down, after: undefined },
  ])
  t.equal(book.get('web', 'a'), undefined)
  end()
  book.set('web', 'a', unknown)
  t.equal(told.length, 3, 'whoever has stopped listening hears no more')
})

t.test('a new sentence is written down, and is no change; its moment stays', async t => {
  const { book, told } = listening()
  book.set('web', 'a', health('down', AT[0]!, 'connection refused'))
  book.set('web', 'a', health('down', AT[1]!, 'timed out'))
  t.strictSame(book.get('web', 'a'), health('down', AT[0]!, 'timed out'))
  t.equal(told.length, 1)
})

t.test('the same server of two services is two entries', async t => {
  const { book } = listening()
  book.set('web', 'a', health('up', AT[0]!))
  book.set('dns', 'a', health('down', AT[1]!, 'no answer'))
  book.set('web', 'b', health('up', AT[2]!))
  t.strictSame(
    [...book.entries()].map(each => `${each.service}/${each.server} ${each.health.state}`).sort(),
    ['dns/a down', 'web/a up', 'web/b up'],
  )
  book.delete('web', 'a')
  t.equal(book.get('web', 'a'), undefined)
  t.equal(book.get('dns', 'a')?.state, 'down')
})

t.test('a listener that ends itself takes no turn from the others', async t => {
  const book = new HealthBook()
  const heard: string[] = []
  const end = book.listen(() => {
    heard.push('first')
    end()
  })
  book.listen(() => heard.push('second'))
  book.set('web', 'a', health('up', AT[0]!))
  book.set('web', 'a', health('down', AT[1]!))
  t.strictSame(heard, ['first', 'second', 'second'])
})
