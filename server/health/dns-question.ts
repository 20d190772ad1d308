/** What a DNS check can ask for and expect: what dns-packet can write, and know again in an answer. */
import { decode, encode, type RecordType } from 'dns-packet'

/** RFC 1035 section 4.1.1, RFC 2136 section 2.2. */
export const RCODES: readonly string[] = [
  ...['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'],
  ...['YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'],
]

/** Labels of 1 to 63 octets (RFC 1035 section 2.3.4); names beyond ASCII are asked for as `xn--…`. */
const NAME = /^(?:\.|[\x21-\x2d\x2f-\x7e]{1,63}(?:\.[\x21-\x2d\x2f-\x7e]{1,63})*\.?)$/

export const isQueryName = (name: string): boolean => NAME.test(name)

export function isQueryType(name: string): boolean {
  const question = { type: name as RecordType, class: 'IN', name: '.' } as const
  return decode(encode({ type: 'query', questions: [question] })).questions?.[0]?.type === name
}
