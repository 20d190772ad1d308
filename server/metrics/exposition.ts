/**
 * Writes metrics as text: Prometheus 0.0.4, or OpenMetrics 1.0 (openmetrics.io, "OpenMetrics, a
 * cloud-native, highly scalable metrics protocol"). Callers speak of families by their base names;
 * here is what differs: where `_total` and `_info` belong, units, `_created`, the end.
 * It is written as octets: with 1,000 services that is a hundred thousand lines.
 */
import { OctetWriter, type Text } from './octet-writer.js'

export const TYPES = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const
export type Format = keyof typeof TYPES

export interface Family {
  /** Without `_total` and `_info`; with its unit, in base units (seconds, bytes). */
  name: string
  type: 'counter' | 'gauge' | 'histogram' | 'info'
  /** One sentence. */
  help: string
}

/** What a part of Sluice has to tell. Must neither throw nor wait. */
export type Collector = (out: Exposition) => void

/** Base units that a name can end with (OpenMetrics section "Units and base units"). */
const UNITS = ['seconds', 'bytes', 'ratio']

export class Exposition {
  readonly format: Format
  /** Seconds since 1970 at which the counters of this process were zero. */
  readonly #createdS: number
  readonly #out: OctetWriter

  /** `size` in octets is a guess of what comes. */
  constructor(format: Format, createdS: number, size = 0) {
    this.format = format
    this.#out = new OctetWriter(size)
    this.#createdS = createdS
  }

  /** Begins a family; all its samples follow. Returns the name that they begin with. */
  family({ name, type, help }: Family): string {
    const open = this.format === 'openmetrics'
    const sample = type === 'counter' ? `${name}_total` : type === 'info' ? `${name}_info` : name
    const about = open ? name : sample
    const unit = UNITS.find(each => name.endsWith(`_${each}`))
    this.#out.text(`# HELP ${about} ${escapeHelp(help)}\n`)
    this.#out.text(`# TYPE ${about} ${type === 'info' && !open ? 'gauge' : type}\n`)
    if (open && unit !== undefined) this.#out.text(`# UNIT ${name} ${unit}\n`)
    return sample
  }

  /** Lines that are ready: name, labels, value, line feed. */
  line(text: string): void {
    this.#out.text(text)
  }

  /** A line of octets that are ready, for those who write very many; `labels` ends with a blank. */
  sample(name: Text, labels: Text, value: number): void {
    this.#out.line(name, labels, value)
  }

  /** A family of one sample. */
  single(family: Family, value: number, labels = ''): void {
    const name = this.family(family)
    this.#out.text(`${name}${labels} ${numberText(value)}\n`)
    if (family.type === 'counter') this.created(family, labels)
  }

  /** A family of samples that differ in their labels (see `labelsText`). */
  each(family: Family, samples: Iterable<readonly [labels: string, value: number]>): void {
    const name = this.family(family)
    for (const [labels, value] of samples) {
      this.#out.text(`${name}${labels} ${numberText(value)}\n`)
      if (family.type === 'counter') this.created(family, labels)
    }
  }

  /** When a counter or histogram that lives as long as this process was zero; OpenMetrics alone. */
  created({ name }: Family, labels: string): void {
    if (this.format === 'openmetrics')
      this.#out.text(`${name}_created${labels} ${numberText(this.#createdS)}\n`)
  }

  /**
   * One series of a histogram that was begun with `family`. `counts[i]` fell into bucket i alone,
   * whose upper bound is `bounds[i]`; the last count is of what is above all bounds.
   */
  histogram(
    family: Family,
    { bounds, counts, sum }: { bounds: readonly number[]; counts: ArrayLike<number>; sum: number },
    labels: Readonly<Record<string, string>> = {},
  ): void {
    const inner = innerText(labels)
    const comma = inner === '' ? '' : ','
    let total = 0
    for (let i = 0; i < bounds.length; i++) {
      total += counts[i]!
      this.#out.text(
        `${family.name}_bucket{${inner}${comma}le="${boundText(bounds[i]!)}"} ${total}\n`,
      )
    }
    total += counts[bounds.length]!
    const outer = inner === '' ? '' : `{${inner}}`
    this.#out.text(`${family.name}_bucket{${inner}${comma}le="+Inf"} ${total}\n`)
    this.#out.text(`${family.name}_sum${outer} ${numberText(sum)}\n`)
    this.#out.text(`${family.name}_count${outer} ${total}\n`)
    this.created(family, outer)
  }

  /** Everything, as UTF-8. */
  octets(): Buffer {
    if (this.format === 'openmetrics') this.#out.text('# EOF\n')
    return this.#out.octets()
  }
}

/** `{a="1",b="2"}`; nothing for no labels. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  const inner = innerText(labels)
  return inner === '' ? '' : `{${inner}}`
}

const innerText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')

/** Both formats: backslash, double quote and line feed. */
const escapeLabel = (text: string): string =>
  /[\\"\n]/.test(text)
    ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : text

/** OpenMetrics escapes quotes in help, too, and 0.0.4 would show the backslash: none are allowed. */
const escapeHelp = (text: string): string => text.replaceAll('"', "'").replaceAll('\n', ' ')

/** Canonical in OpenMetrics ("1.0", not "1"), and the same in both, so that series stay the same. */
export const boundText = (value: number): string =>
  Number.isInteger(value) ? `${value}.0` : String(value)

export function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}
