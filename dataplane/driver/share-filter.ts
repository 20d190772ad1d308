/**
 * The socket filter of one of several workers: lets in the same frames as the plain one
 * (socket-filter.ts), but of these only the clients' that are this worker's (shared/shard.ts).
 * Which end is the client:
 *
 *     destination is a virtual address    -> the source
 *     source is a masquerading server     -> the destination
 *     anything else                       -> the source
 *
 * Every worker's filter says the same but for its number, so each frame is let in by exactly one.
 * A program holds 4096 instructions (BPF_MAXINSNS): addresses become ranges of `addressKey`, and
 * where there are too many, those that are closest together become one. A range that holds too much
 * only sends a packet to the wrong worker, which hands it over.
 */
import {
  ACCEPT_ALL,
  ADD_X,
  AND,
  JUMP,
  JUMP_ANY_BIT,
  JUMP_AT_LEAST,
  JUMP_EQUAL,
  JUMP_GREATER,
  LOAD_HALF,
  LOAD_OCTET,
  LOAD_WORD,
  LOAD_X_MEMORY,
  MARK,
  MODULO,
  MULTIPLY,
  NETWORK,
  PACKET_OUTGOING,
  PACKET_TYPE,
  RETURN,
  SHIFT_RIGHT,
  STORE,
  VLAN_TAG,
  type Instruction,
} from './bpf.js'
import { FOLD, SPREAD, SPREAD_SHIFT } from '../shared/shard.js'

/** Octets from the start of the frame. */
const IPV4 = { source: 14 + 12, destination: 14 + 16 } as const
const IPV6 = { source: 14 + 8, destination: 14 + 24 } as const

/** Ranges in all: at most seven instructions each. */
export const RANGES_MAX = 560

/** Which of how many workers. */
export interface Portion {
  index: number
  count: number
}

export interface Share extends Portion {
  /** By family, 4 and 6: `addressKey`s. */
  virtual: Readonly<Record<4 | 6, Iterable<number>>>
  real: Readonly<Record<4 | 6, Iterable<number>>>
}

export function shareProgram({ index, count, virtual, real }: Share): Instruction[] {
  const sets = [virtual[4], real[4], virtual[6], real[6]].map(keys => sortedKeys(keys))
  const total = sets.reduce((sum, keys) => sum + keys.length, 0)
  const [virtual4, real4, virtual6, real6] = sets.map(keys =>
    rangesOf(keys, Math.max(1, Math.floor((keys.length * RANGES_MAX) / Math.max(1, total)))),
  )
  const a = new Assembler()
  a.emit(LOAD_WORD, PACKET_TYPE)
  a.unless(JUMP_EQUAL, 0, 'reject')
  a.emit(LOAD_WORD, VLAN_TAG)
  a.emit(AND, 0x0fff)
  a.unless(JUMP_EQUAL, 0, 'reject')
  a.emit(LOAD_HALF, 12)
  a.when(JUMP_EQUAL, 0x86dd, 'ipv6')
  a.unless(JUMP_EQUAL, 0x0800, 'reject')
  choose(a, 'ipv4', at => a.emit(LOAD_WORD, IPV4[at]), virtual4!, real4!)
  a.label('ipv6')
  choose(a, 'ipv6', at => loadKey6(a, IPV6[at]), virtual6!, real6!)
  decide(a, index, count)
  return a.assemble()
}

/** Of what this host sends and what carries that mark: what goes to this worker's clients. */
export function hostShareProgram({ index, count }: Portion, mark: number): Instruction[] {
  const a = new Assembler()
  a.emit(LOAD_WORD, PACKET_TYPE)
  a.unless(JUMP_EQUAL, PACKET_OUTGOING, 'reject')
  a.emit(LOAD_WORD, MARK)
  a.unless(JUMP_ANY_BIT, mark, 'reject')
  a.emit(LOAD_OCTET, NETWORK)
  a.emit(SHIFT_RIGHT, 4)
  a.when(JUMP_EQUAL, 6, 'ipv6')
  a.emit(LOAD_WORD, NETWORK + 16)
  a.jump('hash')
  a.label('ipv6')
  loadKey6(a, NETWORK + 24)
  decide(a, index, count)
  return a.assemble()
}

/** From the client's key in the accumulator. */
function decide(a: Assembler, index: number, count: number): void {
  a.label('hash')
  a.emit(MULTIPLY, SPREAD)
  a.emit(SHIFT_RIGHT, SPREAD_SHIFT)
  a.emit(MODULO, count)
  a.unless(JUMP_EQUAL, index, 'reject')
  a.emit(RETURN, ACCEPT_ALL)
  a.label('reject')
  a.emit(RETURN, 0)
}

/** Leaves the client's key in the accumulator and goes to `hash`. */
function choose(
  a: Assembler,
  name: string,
  load: (end: 'source' | 'destination') => void,
  virtual: readonly Range[],
  real: readonly Range[],
): void {
  load('destination')
  search(a, virtual, `${name} from client`, `${name} not virtual`)
  a.label(`${name} not virtual`)
  load('source')
  search(a, real, `${name} to client`, 'hash')
  a.label(`${name} to client`)
  load('destination')
  a.jump('hash')
  a.label(`${name} from client`)
  load('source')
  a.jump('hash')
}

/** `addressKey` of the IPv6 address at that offset. */
function loadKey6(a: Assembler, at: number): void {
  for (const [i, factor] of FOLD.entries()) {
    a.emit(LOAD_WORD, at + 4 * i)
    a.emit(MULTIPLY, factor)
    if (i > 0) {
      a.emit(LOAD_X_MEMORY, 0)
      a.emit(ADD_X, 0)
    }
    a.emit(STORE, 0)
  }
  a.emit(LOAD_WORD, at + 12)
  a.emit(LOAD_X_MEMORY, 0)
  a.emit(ADD_X, 0)
}

interface Range {
  first: number
  last: number
}

/** Whether the accumulator lies in one of the ranges: a binary search; it stays as it is. */
function search(a: Assembler, ranges: readonly Range[], found: string, missed: string): void {
  const [range] = ranges
  if (range === undefined) return a.jump(missed)
  if (ranges.length === 1) {
    if (range.first === range.last) {
      a.when(JUMP_EQUAL, range.first, found)
      return a.jump(missed)
    }
    a.unless(JUMP_AT_LEAST, range.first, missed)
    a.when(JUMP_GREATER, range.last, missed)
    return a.jump(found)
  }
  const middle = ranges.length >>> 1
  const upper = a.fresh()
  a.when(JUMP_AT_LEAST, ranges[middle]!.first, upper)
  search(a, ranges.slice(0, middle), found, missed)
  a.label(upper)
  search(a, ranges.slice(middle), found, missed)
}

const sortedKeys = (keys: Iterable<number>): Float64Array => Float64Array.from(new Set(keys)).sort()

/** At most `most` ranges that hold all keys, leaving out the widest gaps. */
export function rangesOf(keys: Float64Array, most: number): Range[] {
  if (keys.length === 0) return []
  const gaps = Array.from(keys.subarray(1), (key, i) => key - keys[i]!)
  const wide = [...gaps].sort((a, b) => b - a)
  // Neighbours always share a range.
  const least = Math.max(wide[most - 1] ?? 0, 1)
  const ranges: Range[] = [{ first: keys[0]!, last: keys[0]! }]
  for (let i = 1; i < keys.length; i++) {
    if (gaps[i - 1]! > least) ranges.push({ first: keys[i]!, last: keys[i]! })
    else ranges.at(-1)!.last = keys[i]!
  }
  return ranges
}

/** Conditional jumps reach 255 instructions only, so each is one over an unconditional jump. */
class Assembler {
  readonly #code: { code: number; operand: number; to: string | null; inverse: boolean }[] = []
  readonly #labels = new Map<string, number>()
  #names = 0

  fresh(): string {
    return `l${this.#names++}`
  }

  label(name: string): void {
    this.#labels.set(name, this.#code.length)
  }

  emit(code: number, operand: number): void {
    this.#code.push({ code, operand, to: null, inverse: false })
  }

  jump(to: string): void {
    this.#code.push({ code: JUMP, operand: 0, to, inverse: false })
  }

  when(code: number, operand: number, to: string): void {
    this.#code.push({ code, operand, to: null, inverse: false })
    this.jump(to)
  }

  unless(code: number, operand: number, to: string): void {
    this.#code.push({ code, operand, to: null, inverse: true })
    this.jump(to)
  }

  assemble(): Instruction[] {
    return this.#code.map(({ code, operand, to, inverse }, i): Instruction => {
      if (to !== null) return [code, 0, 0, this.#labels.get(to)! - i - 1]
      if ((code & 0x07) !== 0x05) return [code, 0, 0, operand]
      return inverse ? [code, 1, 0, operand] : [code, 0, 1, operand]
    })
  }
}
