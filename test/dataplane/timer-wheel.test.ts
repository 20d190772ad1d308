import t from 'tap'
import { WORDS } from '../../dataplane/shared/conn-record.js'
import { TimerWheel } from '../../dataplane/timer-wheel.js'
import { seeded, type Random } from '../fixtures/random.js'

const NODES = 200

function wheelOf(startTick = 0) {
  const words = new Int32Array(NODES * WORDS)
  const wheel = new TimerWheel(words, startTick)
  for (let node = 1; node < NODES; node++) wheel.reset(node)
  return { wheel, words }
}

/**
 * The rule in words, without a wheel: every timer knows when it fires, how coarse it is and when
 * it was put where it is.
 */
class Model {
  now: number
  #turn = 0
  readonly timers = new Map<number, { fires: number; level: number; turn: number; due: number }>()

  constructor(now: number) {
    this.now = now
  }

  arm(node: number, delay: number): void {
    const due = this.now + delay
    let level = 0
    while (delay >= 63 * 8 ** level) level++
    const granule = 8 ** level
    const fires = (Math.floor(due / granule) + 1) * granule
    const old = this.timers.get(node)
    const turn = old?.fires === fires && old.level === level ? old.turn : this.#turn++
    this.timers.set(node, { fires, level, turn, due })
  }

  /** What fires up to `tick`, in order. */
  advance(tick: number, onExpire: (node: number) => void): void {
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.fires <= tick)
      if (due.length === 0) break
      const first = due.reduce((a, b) => (isBefore(b[1], a[1]) ? b : a))
      this.now = first[1].fires
      this.timers.delete(first[0])
      onExpire(first[0])
    }
    this.now = tick
  }
}

type ModelTimer = { fires: number; level: number; turn: number }
function isBefore(a: ModelTimer, b: ModelTimer): boolean {
  if (a.fires !== b.fires) return a.fires < b.fires
  return a.level === b.level ? a.turn > b.turn : a.level > b.level
}

t.test('fires late by at most a granule, and never early', async t => {
  // Semantics of the kernel at HZ = 100: delay in ticks, most ticks late.
  const bounds: [number, number][] = [
    [0, 1],
    [62, 1],
    [63, 8],
    [503, 8],
    [504, 64],
    [4031, 64],
    [4032, 512],
    [32255, 512],
    [32256, 4096],
    [257999, 4096],
  ]
  for (const phase of [0, 5, -4, 1234567]) {
    for (const [delay, lateMax] of bounds) {
      const { wheel } = wheelOf(phase)
      wheel.arm(9, delay)
      let tick = phase
      while (wheel.advance(tick, 10, () => {}) === 0) tick++
      const late = tick - phase - delay
      t.ok(late > 0 && late <= lateMax, `delay ${delay} at phase ${phase} is ${late} late`)
    }
  }
})

t.test('the periods that the kernel shows for its own jobs', async t => {
  // Estimator 2 s, trash 60 s (semantics 4.14): 2.08 s and 61.44 s.
  for (const [delay, period] of [
    [200, 208],
    [6000, 6144],
  ] as const) {
    const { wheel } = wheelOf()
    const fired: number[] = []
    wheel.arm(1, delay)
    wheel.advance(period * 5, 100, node => {
      fired.push(wheel.nowTick)
      wheel.arm(node, delay)
    })
    t.strictSame(
      fired,
      [1, 2, 3, 4, 5].map(i => i * period),
    )
  }
})

t.test('at one tick the coarser level runs first, and in a slot the last armed', async t => {
  const { wheel } = wheelOf()
  wheel.arm(1, 500) // level 1, slot ends at 504
  wheel.advance(448, 10, () => t.fail('nothing is due'))
  wheel.arm(2, 55) // level 0, ends at 504
  wheel.arm(3, 55)
  wheel.arm(2, 55) // stays where it is
  const order: number[] = []
  wheel.advance(504, 10, node => order.push(node))
  t.strictSame(order, [1, 3, 2])
})

t.test('re-arming into the same slot only changes the remaining time', async t => {
  const { wheel } = wheelOf()
  wheel.arm(1, 5000)
  t.equal(wheel.remaining(1), 5000)
  wheel.advance(10, 10, () => t.fail())
  wheel.arm(1, 5000)
  t.equal(wheel.remaining(1), 5000)
  wheel.advance(20, 10, () => t.fail())
  t.equal(wheel.remaining(1), 4990)
  t.ok(wheel.isArmed(1))
  wheel.disarm(1)
  t.notOk(wheel.isArmed(1))
  wheel.advance(6000, 10, () => t.fail())
  t.equal(wheel.nextDue(), Infinity)
})

t.test('31 days, the longest timeout of ipvsadm, is not cut short', async t => {
  const { wheel } = wheelOf()
  const delay = 2678400 * 100
  wheel.arm(1, delay)
  wheel.advance(delay, 10, () => t.fail('early'))
  const fired: number[] = []
  wheel.advance(Math.floor(delay * 1.125), 10, node => fired.push(node))
  t.strictSame(fired, [1])
})

t.test('goes on where the budget ran out, in the same order', async t => {
  const { wheel } = wheelOf()
  for (let node = 1; node < 100; node++) wheel.arm(node, node < 50 ? 10 : 70)
  const order: number[] = []
  let calls = 0
  while (order.length < 99) {
    const ran = wheel.advance(1000, 7, node => order.push(node))
    t.ok(ran > 0 && ran <= 7)
    t.equal(wheel.nowTick, 1000, 'and now is now in between')
    calls++
  }
  t.equal(calls, Math.ceil(99 / 7))
  const down = (from: number, to: number) => Array.from({ length: from - to }, (_, i) => from - i)
  t.strictSame(order, [...down(49, 0), ...down(99, 49)])
})

t.test('what a handler disarms or re-arms is respected', async t => {
  const { wheel } = wheelOf()
  for (const node of [1, 2, 3]) wheel.arm(node, 10)
  const order: number[] = []
  wheel.advance(11, 10, node => {
    order.push(node)
    wheel.disarm(2)
    if (node === 3) wheel.arm(1, 100)
  })
  t.strictSame(order, [3])
  wheel.advance(200, 10, node => order.push(node))
  t.strictSame(order, [3, 1])
})

t.test('any sequence of operations fires as the model says', async t => {
  const random = seeded(t)
  for (const start of [0, -4, 2 ** 31 - 5000, 2 ** 32 - 3000]) {
    const { wheel } = wheelOf(start)
    const model = new Model(start)
    const got: string[] = []
    const want: string[] = []
    for (let step = 0; step < 1000; step++) {
      const node = 1 + random(NODES - 1)
      if (random(10) < 6) {
        const delay = anyDelay(random)
        wheel.arm(node, delay)
        model.arm(node, delay)
      } else if (random(10) === 0) {
        wheel.disarm(node)
        model.timers.delete(node)
      } else {
        const tick = model.now + anyDelay(random)
        const again = 1 + random(200_000)
        // Some re-arm from their handler, as a controlling connection does.
        wheel.advance(tick, 1e9, node => {
          got.push(`${wheel.nowTick} ${node}`)
          if (node % 7 === 0) wheel.arm(node, again)
        })
        model.advance(tick, node => {
          want.push(`${model.now} ${node}`)
          if (node % 7 === 0) model.arm(node, again)
        })
        const next = Math.min(...[...model.timers.values()].map(timer => timer.fires))
        if (wheel.nextDue() > next) t.fail(`sleeps past ${next}`)
      }
    }
    t.ok(want.length > 300, `${want.length} expiries from tick ${start}`)
    t.strictSame(got, want)
  }
})

function anyDelay(random: Random): number {
  return random(8 ** (1 + random(6)))
}
