/**
 * Preloaded into `sluice serve` (`--import`): says where the time of its dataplane's turns goes. The
 * two ends of a turn, the driver's `receive` and `flush`, are wrapped, which reads the clock four
 * times a turn: 0.2 us, spread over its packets. While packets come, it writes sums as JSON to the
 * file that TURN_CLOCK names, several times a second.
 */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { PacketRing } from '../../../dataplane/driver/packet-ring.js'
import type { Packet } from '../../../dataplane/packet.js'
import type { TurnTimes } from '../turn-times.js'

/** Code is not compiled yet when the first packets come. */
const WARM_MS = 500
const EVERY_MS = 250

const file = process.env['TURN_CLOCK']
function clockTurns(path: string): void {
  const sums: TurnTimes = { turns: 0, packets: 0, receiveMs: 0, handleMs: 0, sendMs: 0 }
  const receive = method('receive')
  const flush = method('flush')
  let lookedMs = 0
  let receivedMs = 0
  let packets = 0
  let countsFromMs = 0
  let writeDueMs = 0
  PacketRing.prototype.receive = function (this: PacketRing, burst: Packet[], max: number) {
    const beginMs = performance.now()
    packets = receive.call(this, burst, max)
    receivedMs = performance.now()
    if (packets > 0 && countsFromMs === 0) countsFromMs = receivedMs + WARM_MS
    lookedMs = receivedMs - beginMs
    return packets
  }
  PacketRing.prototype.flush = function (this: PacketRing) {
    const beginMs = performance.now()
    flush.call(this)
    if (packets === 0 || beginMs < countsFromMs) return
    const endMs = performance.now()
    sums.turns++
    sums.packets += packets
    sums.receiveMs += lookedMs
    sums.handleMs += beginMs - receivedMs
    sums.sendMs += endMs - beginMs
    if (endMs < writeDueMs) return
    writeDueMs = endMs + EVERY_MS
    writeFileSync(path, JSON.stringify(sums))
  }
}

/** To be called on a ring, as itself. */
const method = <Name extends 'receive' | 'flush'>(name: Name) =>
  Reflect.get(PacketRing.prototype, name) as PacketRing[Name]

if (!isMainThread && file) clockTurns(file)
