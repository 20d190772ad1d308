/** What the dataplane tells of itself: its table, its counters, its loop. Read from shared memory. */
import { COUNTER_NAMES } from '../../dataplane/counters.js'
import { SERVICES_MAX, DESTS_MAX } from '../../dataplane/limits.js'
import { AUXILIARY, WORDS, wordsOf } from '../../dataplane/shared/conn-record.js'
import * as loop from '../../dataplane/shared/loop-record.js'
import { CONNS, CONNS_HIGH, defencesOf } from '../../dataplane/shared/memory.js'
import { Col } from '../../dataplane/shared/statistics.js'
import { memoriesOf, type Dataplane } from '../dataplane/dataplane-client.js'
import { MEANINGS } from './dataplane-counters.js'
import { labelsText, type Exposition, type Family } from './exposition.js'
import { TRAFFIC } from './service-families.js'

interface Worker {
  labels: Readonly<Record<string, string>>
  control: Int32Array
  counters: Float64Array
  totals: Float64Array
  loop: Float64Array
  connsMax: number
}

/** A connection's record. */
const OCTETS_PER_CONN = WORDS * 4

export class DataplaneMetrics {
  readonly #dataplane: Dataplane
  readonly #workers: readonly Worker[]

  constructor(dataplane: Dataplane) {
    this.#dataplane = dataplane
    this.#workers = memoriesOf(dataplane).map((memory, i) => ({
      labels: { worker: String(i) },
      control: new Int32Array(memory.control),
      counters: new Float64Array(memory.counters),
      totals: new Float64Array(memory.totals),
      loop: new Float64Array(memory.loop),
      connsMax: wordsOf(memory.conns).length / WORDS - AUXILIARY,
    }))
  }

  collect = (out: Exposition): void => {
    const { phase, restarts = 0 } = this.#dataplane
    out.single(gauge('up', 'Whether traffic is being carried.'), phase === 'ready' ? 1 : 0)
    out.single(counter('restarts', 'Workers that were started after the first.'), restarts)
    this.#table(out)
    this.#totals(out)
    this.#counters(out)
    this.#loop(out)
  }

  #table(out: Exposition): void {
    const each = (family: Family, of: (worker: Worker) => number) => this.#each(out, family, of)
    each(
      {
        name: 'sluice_connections',
        type: 'gauge',
        help: 'Connections and templates in the table.',
      },
      ({ control }) => Atomics.load(control, CONNS),
    )
    // The limit is one for all workers: each has room for all of them.
    const limit = 'Most connections and templates at one time, over all workers.'
    out.single(
      { name: 'sluice_connections_limit', type: 'gauge', help: limit },
      this.#workers[0]!.connsMax,
    )
    each(
      gauge('table_used_bytes', 'Memory of the connection table that has ever been used.'),
      ({ control }) => (Atomics.load(control, CONNS_HIGH) + 1) * OCTETS_PER_CONN,
    )
    out.single(gauge('services_limit', 'Most virtual services.'), SERVICES_MAX - 1)
    out.single(gauge('real_servers_limit', 'Most real servers, over all services.'), DESTS_MAX - 1)
    // Two bits each; ipvs/defence.ts says how they are laid out.
    const defences = ['drop_entry', 'drop_packet', 'secure_tcp']
    const state = defencesOf(this.#workers.map(({ control }) => control))
    out.each(
      gauge('defence_mode', 'Mode of a defence: 0 off, 1 waiting, 2 acting, 3 always.'),
      defences.map((defence, i) => [labelsText({ defence }), (state >>> (2 * i)) & 3]),
    )
  }

  #totals(out: Exposition): void {
    for (const { name, type, help, column } of TRAFFIC) {
      const sum = this.#workers.reduce((total, { totals }) => total + totals[column]!, 0)
      const about = { name: `sluice_${name}`, type, help: `All services: ${help}` }
      // The first name is taken by the table; set to zero by an operator, so without `_created`.
      if (column === Col.conns) about.name = 'sluice_scheduled_connections'
      out.line(`${out.family(about)} ${sum}\n`)
    }
  }

  #counters(out: Exposition): void {
    const reasons = COUNTER_NAMES.filter(name => MEANINGS[name].name === undefined)
    const drops = counter('dropped_packets', 'Packets dropped, by the reason; see its help.')
    out.each(
      drops,
      this.#workers.flatMap(({ labels, counters }) =>
        reasons.map((reason): readonly [string, number] => [
          labelsText({ ...labels, reason }),
          counters[COUNTER_NAMES.indexOf(reason)]!,
        ]),
      ),
    )
    out.each(
      info('drop_reason', 'What a reason for dropping a packet means.'),
      reasons.map(reason => [labelsText({ reason, help: MEANINGS[reason].help }), 1]),
    )
    for (const [i, name] of COUNTER_NAMES.entries()) {
      const { name: metric, help } = MEANINGS[name]
      if (metric !== undefined)
        this.#each(out, counter(metric, help), ({ counters }) => counters[i]!)
    }
  }

  #loop(out: Exposition): void {
    const each = (name: string, help: string, of: (words: Float64Array) => number) =>
      this.#each(out, counter(name, help), worker => of(worker.loop))
    each('loop_turns', "Turns of the worker's loop.", words => words[loop.TURNS]!)
    each('loop_sleeps', 'Times that the loop slept: nothing came.', words => words[loop.SLEEPS]!)
    each(
      'loop_wake_ups',
      'Sleeps that a packet, a message or news of the network ended.',
      words => words[loop.WAKE_UPS]!,
    )
    each('loop_slept_seconds', 'Time asleep.', words => words[loop.SLEPT_MS]! / 1000)
    each(
      'loop_messages',
      'Operations of the control plane that were carried out.',
      words => words[loop.MESSAGES_ANSWERED]!,
    )
    this.#histogram(
      out,
      { name: 'loop_batch_packets', help: 'Packets of a turn that had any.' },
      ({ loop: words }) => ({
        bounds: powers(loop.BATCH_BUCKETS - 1, 1),
        counts: words.subarray(loop.BATCHES, loop.BATCHES + loop.BATCH_BUCKETS),
        sum: words[loop.PACKETS]!,
      }),
    )
    this.#histogram(
      out,
      { name: 'loop_turn_seconds', help: 'Time of a turn that had packets.' },
      ({ loop: words }) => ({
        bounds: powers(loop.TIME_BUCKETS - 1, 1e6),
        counts: words.subarray(loop.TIMES, loop.TIMES + loop.TIME_BUCKETS),
        sum: words[loop.BUSY_MS]! / 1000,
      }),
    )
  }

  #each(out: Exposition, family: Family, of: (worker: Worker) => number): void {
    out.each(
      family,
      this.#workers.map(worker => [labelsText(worker.labels), of(worker)]),
    )
  }

  #histogram(
    out: Exposition,
    { name, help }: { name: string; help: string },
    of: (worker: Worker) => Parameters<Exposition['histogram']>[1],
  ): void {
    const family: Family = { name: `sluice_dataplane_${name}`, type: 'histogram', help }
    out.family(family)
    for (const worker of this.#workers) out.histogram(family, of(worker), worker.labels)
  }
}

/** 1, 2, 4, …: `count` of them, in parts of `scale`. */
const powers = (count: number, scale: number) =>
  Array.from({ length: count }, (_, k) => 2 ** k / scale)

const family = (type: Family['type']) => (name: string, help: string) => ({
  ...{ name: `sluice_dataplane_${name}`, type, help },
})
const gauge = family('gauge')
const counter = family('counter')
const info = family('info')
