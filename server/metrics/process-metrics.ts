/**
 * What the process tells of itself: processor, memory, descriptors, garbage collection, lateness of
 * the event loop. prom-client knows how to find it out; it is told like everything else.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { version } from '../version.js'
import { boundText, labelsText, numberText, type Exposition, type Family } from './exposition.js'

/** As `Registry.getMetricsAsJSON` gives them. */
interface Told {
  name: string
  help: string
  type: string
  values: readonly Value[]
}
interface Value {
  value: number
  labels: Readonly<Record<string, string | number>>
  /** Of histograms: with `_bucket`, `_sum` or `_count`. */
  metricName?: string
}

/** How exactly the lateness of the event loop is looked at, in milliseconds. */
const LOOP_PRECISION_MS = 10

/** Starts to observe the process. */
export class ProcessMetrics {
  readonly #registry = new Registry()
  #told: readonly Told[] = []

  constructor() {
    collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: LOOP_PRECISION_MS,
    })
  }

  /** Looks at the process: `collect` tells what was found. */
  prepare = async (): Promise<void> => {
    this.#told = (await this.#registry.getMetricsAsJSON()) as unknown as Told[]
  }

  collect = (out: Exposition): void => {
    const build = { version, node_version: process.version, arch: process.arch }
    const about: Family = { name: 'sluice_build', type: 'info', help: 'Which Sluice this is.' }
    out.single(about, 1, labelsText(build))
    for (const told of this.#told) tell(out, told)
  }
}

function tell(out: Exposition, { name, help, type, values }: Told): void {
  // `promtool check metrics` takes a name that ends so for a counter; the sums are in the parts.
  if (type === 'gauge' && name.endsWith('_total')) return
  if (type !== 'gauge' && type !== 'counter' && type !== 'histogram') return
  // `nodejs_version_info` is one, though prom-client calls it a gauge.
  const isInfo = name.endsWith('_info')
  const base = name.replace(/_(total|info)$/, '')
  const family: Family = { name: base, type: isInfo ? 'info' : type, help: sentence(help) }
  if (type !== 'histogram') return out.each(family, values.map(sample))
  out.family(family)
  for (const { metricName = name, labels, value } of values)
    out.line(`${metricName}${bucketLabels(labels)} ${numberText(value)}\n`)
}

const sample = ({ labels, value }: Value): readonly [string, number] => [
  labelsText(texts(labels)),
  value,
]

const texts = (labels: Value['labels']): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]))

/** Bounds as everywhere else. */
function bucketLabels({ le, ...others }: Value['labels']): string {
  const bound = le === undefined ? {} : { le: typeof le === 'number' ? boundText(le) : le }
  return labelsText({ ...texts(others), ...bound })
}

const sentence = (text: string): string => (text.endsWith('.') ? text : `${text}.`)
