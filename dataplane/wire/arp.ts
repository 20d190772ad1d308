// ARP for IPv4 over Ethernet, RFC 826.
//
//    0                               16                            31
//   +-------------------------------+------------------------------+
//   |       hardware type (1)       |    protocol type (0x0800)    |
//   +---------------+---------------+------------------------------+
//   |  hw len (6)   | proto len (4) |          operation           |
//   +---------------+---------------+------------------------------+
//   |  sender hardware address (6), sender protocol address (4)    |
//   |  target hardware address (6), target protocol address (4)    |
//   +--------------------------------------------------------------+
import { IPV4 } from './ethernet.js'

const HARDWARE_TYPE = 0
const PROTOCOL_TYPE = 2
const HARDWARE_LENGTH = 4
const PROTOCOL_LENGTH = 5
const OPERATION = 6
const SENDER_MAC = 8
const SENDER = 14
const TARGET_MAC = 18
const TARGET = 24
export const LENGTH = 28

/** Operations. */
export const REQUEST = 1
export const REPLY = 2

/** Whether `[at, end)` holds an ARP packet for IPv4 over Ethernet. The operation is not checked. */
export const isValid = (v: DataView, at: number, end: number): boolean =>
  end - at >= LENGTH &&
  v.getUint16(at + HARDWARE_TYPE) === 1 &&
  v.getUint16(at + PROTOCOL_TYPE) === IPV4 &&
  v.getUint8(at + HARDWARE_LENGTH) === 6 &&
  v.getUint8(at + PROTOCOL_LENGTH) === 4

export const operation = (v: DataView, at: number): number => v.getUint16(at + OPERATION)
export const senderMacHigh = (v: DataView, at: number): number => v.getUint16(at + SENDER_MAC)
export const senderMacLow = (v: DataView, at: number): number => v.getInt32(at + SENDER_MAC + 2)
export const sender = (v: DataView, at: number): number => v.getInt32(at + SENDER)
export const targetMacHigh = (v: DataView, at: number): number => v.getUint16(at + TARGET_MAC)
export const targetMacLow = (v: DataView, at: number): number => v.getInt32(at + TARGET_MAC + 2)
export const target = (v: DataView, at: number): number => v.getInt32(at + TARGET)

/** What an ARP packet says, apart from the fixed fields. */
export interface ArpFields {
  operation: number
  senderMacHigh: number
  senderMacLow: number
  sender: number
  targetMacHigh: number
  targetMacLow: number
  target: number
}

/** Writes all 28 octets. */
export function write(v: DataView, at: number, fields: ArpFields): void {
  v.setUint16(at + HARDWARE_TYPE, 1)
  v.setUint16(at + PROTOCOL_TYPE, IPV4)
  v.setUint8(at + HARDWARE_LENGTH, 6)
  v.setUint8(at + PROTOCOL_LENGTH, 4)
  v.setUint16(at + OPERATION, fields.operation)
  v.setUint16(at + SENDER_MAC, fields.senderMacHigh)
  v.setInt32(at + SENDER_MAC + 2, fields.senderMacLow)
  v.setInt32(at + SENDER, fields.sender)
  v.setUint16(at + TARGET_MAC, fields.targetMacHigh)
  v.setInt32(at + TARGET_MAC + 2, fields.targetMacLow)
  v.setInt32(at + TARGET, fields.target)
}
