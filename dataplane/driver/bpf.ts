/**
 * The words of classic BPF (linux/filter.h) that the socket filters here use: instruction codes, and
 * ancillary data, negative offsets that stand for a packet's properties.
 */
export const LOAD_WORD = 0x20
export const LOAD_HALF = 0x28
export const LOAD_X_MEMORY = 0x61
export const STORE = 0x02
export const ADD_X = 0x0c
export const MULTIPLY = 0x24
export const MODULO = 0x94
export const AND = 0x54
export const SHIFT_RIGHT = 0x74
export const JUMP = 0x05
export const JUMP_EQUAL = 0x15
export const JUMP_GREATER = 0x25
export const JUMP_AT_LEAST = 0x35
export const RETURN = 0x06
export const JUMP_ANY_BIT = 0x45
export const LOAD_OCTET = 0x30
export const PACKET_TYPE = 0xfffff000 + 4
export const MARK = 0xfffff000 + 20
export const VLAN_TAG = 0xfffff000 + 44
export const PACKET_OUTGOING = 4
/** Offsets that count from the network header on, whatever kind of socket. */
export const NETWORK = 0xfff00000
export const ACCEPT_ALL = 0xffffffff

export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]
