/**
 * The files of golden cases: what a running Linux kernel's IPVS did, frame by frame. Every field is
 * known by name; one that is not is an error, never skipped.
 */
import { readFileSync } from 'node:fs'

export type Wire = 'client' | 'server'

/** A packet that the director sent, from its IP header on. */
export interface Expected {
  port: Wire
  dmac: string
  ip: string
  /** For people. */
  txt: string
}

/** The director asks for a neighbour that it does not know: an Ethernet frame with ARP in it. */
export interface ExpectedFrame {
  port: Wire
  eth: string
}

export type Output = Expected | ExpectedFrame

export interface Lab {
  vips: readonly string[]
  vips6: readonly string[]
  mtu_s: number
  mtu_c: number
  icmp_ratelimit: number
}

export interface MarkRule {
  mark: number
  family: 'ipv4' | 'ipv6'
  destination: string
  protocol: 'tcp' | 'udp' | 'sctp'
  ports?: readonly number[]
}

export interface Send {
  kind: 'send'
  atMs: number
  send: Wire
  ip: string
  out: readonly Output[]
}
export interface Run {
  kind: 'cmd'
  atMs: number | null
  cmd: string
  /** Null where only its effect counts. */
  out: string | null
  exit: number | null
}
export interface Flow {
  kind: 'flow'
  atMs: number | null
  name: string
  rs: number | null
  frames: readonly (readonly [Wire, string])[]
  /** The answer in the recorder's words. */
  out: readonly string[] | null
  waitS: number
}
export type Step =
  | Send
  | Run
  | Flow
  | { kind: 'sysctl'; atMs: number | null; sysctl: Record<string, string> }
  | { kind: 'advance'; seconds: number; out: readonly Output[] }
  | { kind: 'markRule'; markRule: MarkRule }
  | { kind: 'route'; destination: string; via: string; interface: string }
  | { kind: 'address'; address: string; interface: string }
  /** A payload that the FTP helper has rewritten, for people and for a second look. */
  | { kind: 'rewritten'; text: string }

export interface Case {
  name: string
  lab: Lab
  setup: readonly Step[]
  steps: readonly Step[]
}

export class CaseError extends Error {}

export function readCase(path: string): Case {
  const raw = fields(JSON.parse(readFileSync(path, 'utf8')), path)
  const name = raw.text('name')
  raw.text('about')
  raw.text('kernel')
  const lab = fields(raw.any('lab'), 'lab')
  const result: Case = {
    name,
    lab: {
      vips: lab.any('vips') as string[],
      vips6: lab.any('vips6') as string[],
      mtu_s: lab.number('mtu_s'),
      mtu_c: lab.number('mtu_c'),
      icmp_ratelimit: lab.number('icmp_ratelimit'),
    },
    setup: (raw.any('setup') as unknown[]).map((s, i) => readStep(s, `setup ${i}`)),
    steps: (raw.any('steps') as unknown[]).map((s, i) => readStep(s, `step ${i}`)),
  }
  lab.done()
  raw.done()
  return result
}

function readStep(value: unknown, where: string): Step {
  const f = fields(value, where)
  f.optional('note')
  const step = readKnownStep(f)
  f.done()
  return step
}

function readKnownStep(f: Fields): Step {
  if (f.has('send')) return readSend(f)
  if (f.has('cmd')) return readRun(f)
  if (f.has('frames')) return readFlow(f)
  if (f.has('sysctl')) {
    const sysctl = f.any('sysctl') as Record<string, string>
    return { kind: 'sysctl', atMs: f.optionalNumber('at_ms'), sysctl }
  }
  if (f.has('advance_s')) {
    const out = (f.optional('out') ?? []) as Output[]
    return { kind: 'advance', seconds: f.number('advance_s'), out: out.map(readOutput) }
  }
  if (f.has('markRule')) return { kind: 'markRule', markRule: readMarkRule(f.any('markRule')) }
  if (f.has('route')) {
    const r = fields(f.any('route'), 'route')
    const route = { destination: r.text('destination'), via: r.text('via') }
    const step = { kind: 'route', ...route, interface: r.text('interface') } as const
    r.done()
    return step
  }
  if (f.has('rewritten')) return { kind: 'rewritten', text: f.text('rewritten') }
  const a = fields(f.any('address'), 'address')
  const step = {
    kind: 'address',
    address: a.text('address'),
    interface: a.text('interface'),
  } as const
  a.done()
  return step
}

function readSend(f: Fields): Step {
  f.text('txt')
  const out = (f.any('out') as unknown[]).map(readOutput)
  return { kind: 'send', atMs: f.number('at_ms'), send: wire(f.any('send')), ip: f.text('ip'), out }
}

function readRun(f: Fields): Step {
  const out = f.has('out') ? f.text('out') : null
  const exit = f.optionalNumber('exit')
  return {
    kind: 'cmd',
    atMs: f.optionalNumber('at_ms'),
    cmd: f.text('cmd'),
    out,
    exit,
  }
}

function readFlow(f: Fields): Step {
  const name = f.has('reset') ? `reset of ${f.text('reset')}` : `connection ${f.number('i')}`
  // For people; the frames say it all.
  for (const key of ['client', 'vip', 'mode']) f.optional(key)
  const out = f.optional('out') as string[] | undefined
  const rs = f.any('rs')
  return {
    kind: 'flow',
    atMs: f.optionalNumber('at_ms'),
    name,
    rs: rs === null ? null : Number(rs),
    frames: (f.any('frames') as [unknown, string][]).map(([w, hex]) => [wire(w), hex] as const),
    out: out ?? null,
    waitS: f.number('then_wait_s'),
  }
}

function readMarkRule(value: unknown): MarkRule {
  const f = fields(value, 'markRule')
  const ports = f.optional('ports') as number[] | undefined
  const rule = {
    mark: f.number('mark'),
    family: f.text('family') as MarkRule['family'],
    destination: f.text('destination'),
    protocol: f.text('protocol') as MarkRule['protocol'],
    ...(ports === undefined ? {} : { ports }),
  }
  f.done()
  return rule
}

function readOutput(value: unknown): Output {
  const f = fields(value, 'out')
  const port = wire(f.any('port'))
  if (f.has('eth')) {
    const frame = { port, eth: f.text('eth') }
    f.optional('txt')
    f.done()
    return frame
  }
  const txt = f.has('txt') ? f.text('txt') : ''
  const output = { port, dmac: f.text('dmac'), ip: f.text('ip') }
  f.done()
  return { ...output, txt }
}

function wire(value: unknown): Wire {
  if (value === 'client' || value === 'server') return value
  throw new CaseError(`no such wire: ${String(value)}`)
}

const fields = (value: unknown, where: string): Fields => new Fields(value, where)

/** An object whose fields are taken one by one; `done` complains about those nobody took. */
class Fields {
  readonly #object: Record<string, unknown>
  readonly #left: Set<string>
  readonly #where: string

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null) throw new CaseError(`${where}: no object`)
    this.#object = value as Record<string, unknown>
    this.#left = new Set(Object.keys(value))
    this.#where = where
  }

  has(key: string): boolean {
    return key in this.#object
  }

  any(key: string): unknown {
    if (!this.has(key)) throw new CaseError(`${this.#where}: no field '${key}'`)
    return this.optional(key)
  }

  optional(key: string): unknown {
    this.#left.delete(key)
    return this.#object[key]
  }

  text(key: string): string {
    const value = this.any(key)
    if (typeof value !== 'string') throw new CaseError(`${this.#where}: '${key}' is no text`)
    return value
  }

  number(key: string): number {
    const value = this.any(key)
    if (typeof value !== 'number') throw new CaseError(`${this.#where}: '${key}' is no number`)
    return value
  }

  optionalNumber(key: string): number | null {
    return this.has(key) ? this.number(key) : null
  }

  done(): void {
    if (this.#left.size === 0) return
    throw new CaseError(`${this.#where}: unknown field '${[...this.#left].join("', '")}'`)
  }
}
