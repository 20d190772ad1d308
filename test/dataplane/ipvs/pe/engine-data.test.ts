import t from 'tap'
import { ConnParams } from '../../../../dataplane/ipvs/conn-params.js'
import { EngineData } from '../../../../dataplane/ipvs/pe/engine-data.js'
import { Excerpt } from '../../../../dataplane/ipvs/pe/engine.js'
import { PE_WORDS, readEngineData } from '../../../../dataplane/shared/pe-record.js'
import { TEMPLATE } from '../../../../dataplane/shared/conn-record.js'
import { Random } from '../../../fixtures/seed.js'
import { World } from '../world.js'

const UDP = 17

function excerpt(text: string): Excerpt {
  const bytes = Buffer.from(`..${text}~~~~`, 'latin1')
  const found = new Excerpt()
  found.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  found.at = 2
  found.length = text.length
  found.engine = 1
  return found
}

function key(client: number, family = 4): ConnParams {
  const words = { c0: client, v0: 0xc6336401 | 0, vport: 5060, dport: 5060 }
  return Object.assign(new ConnParams(), { family, protocol: UDP, ...words })
}

/** A template with that data. */
function open(world: World, client: number, text: string): number {
  const { conns } = world
  const params = key(client)
  params.engineData = conns.engineData.take(excerpt(text))
  return conns.create(params, null, TEMPLATE, 0)
}

t.test('all lengths are kept and found, and nothing else', async t => {
  const world = new World()
  const { engineData, records } = world.conns
  const text = (length: number) => 'abcdefghij'.repeat(26).slice(0, length)
  for (let length = 1; length <= 255; length++) {
    const c = open(world, 1, text(length))
    t.strictSame(readEngineData(engineData.words, records.engineData(c)), {
      ...{ name: 'sip', data: text(length) },
    })
  }
  for (let length = 1; length <= 255; length++) {
    const c = engineData.find(key(1), excerpt(text(length)))
    t.equal(readEngineData(engineData.words, records.engineData(c))?.data.length, length)
  }
  t.equal(engineData.take(excerpt(text(256))), 0, 'too long')
  t.equal(engineData.find(key(2), excerpt('a')), 0, 'another client')
  t.equal(engineData.find({ ...key(1), vport: 5061 }, excerpt('a')), 0, 'another port')
  t.equal(engineData.find({ ...key(1), protocol: 0 }, excerpt('a')), 0, 'another protocol')
  t.equal(engineData.find({ ...key(1), v0: 1 }, excerpt('a')), 0, 'another service')
  t.equal(engineData.find(key(1, 6), excerpt('a')), 0, 'another family')
  t.equal(engineData.find(key(1), excerpt('A')), 0, 'another case')
})

t.test('any order of making and ending templates is followed', async t => {
  const random = Random.of(t)
  const world = new World({ capacity: 300 })
  const { engineData } = world.conns
  const model = new Map<string, number>()
  for (let step = 0; step < 5000; step++) {
    const client = random.integer(1, 3)
    const text = `call-${random.integer(0, 120)}@host`
    const name = `${client} ${text}`
    const known = model.get(name) ?? 0
    if (engineData.find(key(client), excerpt(text)) !== known) t.fail(`${name} in step ${step}`)
    if (known === 0 && model.size < 290) model.set(name, open(world, client, text))
    else if (known !== 0 && random.boolean()) {
      world.conns.remove(known)
      model.delete(name)
    }
    if (engineData.size !== model.size) t.fail(`${engineData.size} records in step ${step}`)
  }
  for (const [name, c] of model) {
    const [client, text] = name.split(' ')
    t.equal(engineData.find(key(Number(client)), excerpt(text!)), c)
  }
  t.ok(model.size > 100)
})

t.test('when all records are taken there is none, until one is given back', async t => {
  const world = new World({ capacity: 10 })
  const { engineData } = world.conns
  const taken = Array.from({ length: 9 }, (_, i) => engineData.take(excerpt(`${i}`)))
  t.notOk(taken.includes(0))
  t.equal(engineData.take(excerpt('x')), 0)
  engineData.give(taken[3]!)
  t.equal(engineData.take(excerpt('x')), taken[3]!)
})

t.test('another worker finds what it was left, with other hash keys', async t => {
  const first = new World()
  const calls = Array.from({ length: 50 }, (_, i) => `call-${i}@host`)
  const templates = calls.map(call => open(first, 1, call))
  first.conns.remove(templates[7]!)
  // Died between taking a record and making the template.
  first.conns.engineData.take(excerpt('half'))
  const second = new EngineData({
    ...{ memory: first.engineMemory, control: new Int32Array(first.control) },
    ...{ conns: first.conns.records.words, seeds: [99, 98, 97] },
  })
  second.adopt()
  t.equal(second.size, 49)
  for (const [i, call] of calls.entries()) {
    t.equal(second.find(key(1), excerpt(call)), i === 7 ? 0 : templates[i])
  }
  t.equal(second.find(key(1), excerpt('half')), 0)
  const fresh = Array.from({ length: 2 }, () => second.take(excerpt('new')))
  t.notOk(fresh.includes(0), 'the lost ones are free again')
  t.ok(second.words.length / PE_WORDS > Math.max(...fresh))
})
