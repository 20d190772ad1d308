/** Replays one case against the director and says where it differed. */
import {
  CaseError,
  readCase,
  type Case,
  type Flow,
  type Run,
  type Send,
  type Step,
} from './case.js'
import { compareFrames, compareText, type Difference } from './compare.js'
import { Director, type SeenFrame } from './director.js'
import { expectedText, seenText } from './packet-text.js'
import { recorderText, withoutOwnId } from './recorder-text.js'
import { makeDriver, serverMac } from './topology.js'

/** Every injection is followed by this much time. */
const INJECTION_MS = 0.5

export interface StepDifference extends Difference {
  step: string
}

export interface CaseResult {
  name: string
  differences: StepDifference[]
  /** What stopped the replay, if anything did. */
  error: string | null
}

export async function replay(path: string, onStep?: (text: string) => void): Promise<CaseResult> {
  const differences: StepDifference[] = []
  let name = path
  try {
    const golden = readCase(path)
    name = golden.name
    await new Replay(golden, differences, onStep).run()
    return { name, differences, error: null }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const text = error instanceof CaseError ? error.message : (error.stack ?? error.message)
    return { name, differences, error: text }
  }
}

class Replay {
  readonly #case: Case
  readonly #differences: StepDifference[]
  readonly #onStep: ((text: string) => void) | undefined
  readonly #director: Director
  #step = ''
  /** Everything that came out so far, for steps that look back. */
  readonly #history: SeenFrame[] = []

  constructor(golden: Case, differences: StepDifference[], onStep?: (text: string) => void) {
    this.#case = golden
    this.#differences = differences
    this.#onStep = onStep
    this.#director = new Director(golden.lab, makeDriver)
  }

  async run(): Promise<void> {
    for (const [i, step] of this.#case.setup.entries()) await this.#do(`setup ${i}`, step)
    for (const [i, step] of this.#case.steps.entries()) await this.#do(`step ${i}`, step)
  }

  async #do(where: string, step: Step): Promise<void> {
    this.#step = `${where} ${describe(step)}`
    this.#onStep?.(this.#step)
    if ('atMs' in step && step.atMs !== null) this.#reach(step.atMs)
    switch (step.kind) {
      case 'send':
        return this.#send(step)
      case 'cmd':
        return await this.#command(step)
      case 'flow':
        return this.#flow(step)
      case 'advance':
        this.#director.advanceTo(this.#director.nowMs + step.seconds * 1000)
        return this.#compare(step.out, this.#take(), null)
      case 'sysctl':
        for (const [name, value] of Object.entries(step.sysctl)) this.#director.sysctl(name, value)
        return
      case 'markRule':
        return this.#director.addMarkRule(step.markRule)
      case 'route':
        return this.#director.addRoute(step.destination, step.via, step.interface)
      case 'address':
        return this.#director.addAddress(step.address, step.interface)
      case 'rewritten':
        return this.#lookBack(step.text)
    }
  }

  /** Times are recorded in whole milliseconds; a step never happens before its own. */
  #reach(atMs: number): void {
    if (atMs <= this.#director.nowMs) return
    this.#director.advanceTo(atMs)
    this.#compare([], this.#take(), null)
  }

  #send({ send, ip, out }: Send): void {
    const bytes = fromHex(ip)
    const seen = this.#inject(send, bytes)
    this.#compare(out, seen, bytes)
  }

  #inject(wire: Send['send'], bytes: Uint8Array): SeenFrame[] {
    this.#director.inject(wire, bytes)
    this.#director.advanceTo(this.#director.nowMs + INJECTION_MS)
    return this.#take()
  }

  async #command({ cmd, out, exit }: Run): Promise<void> {
    const seen = await this.#director.command(cmd)
    if (out !== null) this.#report(compareText(out, seen.out))
    const wanted = exit ?? (out === null ? 0 : null)
    if (wanted !== null && wanted !== seen.exit) {
      const said = seen.out === '' ? '' : `: ${seen.out.trim()}`
      this.#report([{ expected: `exit ${wanted}`, seen: `exit ${seen.exit}${said}` }])
    }
    this.#compare([], this.#take(), null)
  }

  /** The first frame shows which server was chosen; the others carry the connection on. */
  #flow({ frames, rs, out, waitS }: Flow): void {
    let all: SeenFrame[] = []
    let first: SeenFrame[] = []
    for (const [i, [wire, hex]] of frames.entries()) {
      const seen = this.#inject(wire, fromHex(hex))
      if (i === 0) first = seen
      all = [...all, ...seen]
    }
    const [firstWire] = frames[0]!
    const reached = first.find(f => f.port === 'server')
    const wanted = rs === null ? undefined : serverMac(rs)
    if (firstWire === 'client' && reached?.dmac !== wanted) {
      const text = reached === undefined ? 'no server' : seenText(reached)
      this.#report([{ expected: rs === null ? 'no server' : `server ${rs}`, seen: text }])
    }
    if (out !== null) this.#compareTexts(out, all)
    this.#director.advanceTo(this.#director.nowMs + waitS * 1000)
    this.#compare([], this.#take(), null)
  }

  #compareTexts(expected: readonly string[], frames: readonly SeenFrame[]): void {
    const seen = frames.map(f => recorderText(f.ip))
    for (let i = 0; i < Math.max(expected.length, seen.length); i++) {
      const e = expected[i] ?? '(nothing)'
      const s = seen[i] ?? '(nothing)'
      if (withoutOwnId(e) !== withoutOwnId(s)) this.#report([{ expected: e, seen: s }])
    }
  }

  /** FTP: a packet has carried this text to the client. */
  #lookBack(text: string): void {
    const has = this.#history.some(f => f.port === 'client' && latin1(f.ip).includes(text))
    if (!has) this.#report([{ expected: JSON.stringify(text), seen: 'in no packet' }])
  }

  #take(): SeenFrame[] {
    const seen = this.#director.take()
    this.#history.push(...seen)
    return seen
  }

  #compare(
    expected: Parameters<typeof compareFrames>[0],
    seen: readonly SeenFrame[],
    injected: Uint8Array | null,
  ): void {
    if (expected.length > 0 || seen.length > 0)
      this.#onStep?.(`  ${expected.map(expectedText).join('\n  ')}`)
    this.#report(compareFrames(expected, seen, injected))
  }

  #report(differences: readonly Difference[]): void {
    for (const d of differences) this.#differences.push({ step: this.#step, ...d })
  }
}

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

function describe(step: Step): string {
  switch (step.kind) {
    case 'send':
      return `at ${step.atMs} ms, from the ${step.send}`
    case 'cmd':
      return step.cmd
    case 'flow':
      return step.name
    case 'advance':
      return `${step.seconds} s pass`
    case 'sysctl':
      return Object.entries(step.sysctl).join(' ')
    default:
      return step.kind
  }
}
