import t from 'tap'
import type { KillProgress, Op } from '../../../dataplane/protocol.js'
import {
  DataplaneGone,
  OpRefused,
  type Dataplane,
} from '../../../server/dataplane/dataplane-client.js'
import { KillRunner } from '../../../server/live/kill-runner.js'
import { FakeDataplane } from '../fixtures/fake-dataplane.js'

const KILL = { filter: {}, reset: true, dryRun: false }

/** A dataplane that answers `killProgress` from a list; an error is thrown. */
function scripted(answers: (Partial<KillProgress> | Error)[], ready: () => boolean = () => true) {
  const asked: string[] = []
  const call = (op: Op) => {
    asked.push(op.op)
    if (op.op !== 'killProgress') return Promise.resolve(null)
    const next = answers.shift()!
    const zero = { known: true, done: false, connections: 0, templates: 0 }
    return next instanceof Error ? Promise.reject(next) : Promise.resolve({ ...zero, ...next })
  }
  const dataplane = Object.assign(new FakeDataplane(), {
    ...{ call, whenReady: () => Promise.resolve(ready()) },
  }) as unknown as Dataplane
  const paused: number[] = []
  const pause = (ms: number) => Promise.resolve(paused.push(ms))
  return { runner: new KillRunner({ dataplane, pause }), asked, paused }
}

t.test('asks at growing distances until it is done', async t => {
  const counts = Array.from({ length: 9 }, (_, i) => ({ connections: i * 10 }))
  const { runner, paused } = scripted([...counts, { done: true, connections: 99, templates: 2 }])
  t.strictSame(await runner.run(KILL), { connections: 99, templates: 2 })
  t.strictSame(paused, [1, 2, 4, 8, 16, 32, 50, 50, 50])
})

t.test('a worker that is lost in between: what it told counts, and another goes on', async t => {
  for (const lost of [new DataplaneGone('gone'), { known: false, done: true }]) {
    const answers = [{ connections: 40 }, lost, { done: true, connections: 60, templates: 1 }]
    const { runner, asked } = scripted(answers)
    t.strictSame(await runner.run(KILL), { connections: 100, templates: 1 })
    t.equal(asked.filter(op => op === 'startKill').length, 2)
    const again = [{ connections: 40 }, lost, { done: true, connections: 60 }]
    const trial = await scripted(again).runner.run({ ...KILL, dryRun: true })
    t.equal(trial.connections, 60, 'a trial begins anew')
  }
})

t.test('gives up when the dataplane stays away, and at a refusal', async t => {
  await t.rejects(scripted([], () => false).runner.run(KILL), { code: 'DATAPLANE_UNAVAILABLE' })
  const refused = scripted([new OpRefused('ESRCH', 'no such virtual service')])
  await t.rejects(refused.runner.run(KILL), { code: 'ESRCH' })
})
