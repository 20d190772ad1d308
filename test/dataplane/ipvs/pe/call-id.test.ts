import t from 'tap'
import { callIdLength, findCallId } from '../../../../dataplane/ipvs/pe/call-id.js'

/** The Call-ID as text; the message stands between octets that are none of its own. */
function callId(message: string): string | null {
  const before = 'Call-ID: before\r\n'
  const after = '\r\nCall-ID: after\r\n'
  const bytes = Buffer.from(before + message + after, 'latin1')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = before.length + message.length
  const at = findCallId(view, before.length, end)
  if (at === 0) return null
  return bytes.subarray(at, at + callIdLength(view, at, end)).toString('latin1')
}

const invite = (...lines: string[]) =>
  ['INVITE sip:bob@198.51.100.1 SIP/2.0', ...lines, 'CSeq: 1 INVITE', '', ''].join('\r\n')

const cases: [string, string, string | null][] = [
  ['plain', invite('Via: SIP/2.0/UDP 192.0.2.1', 'Call-ID: a84b4c76e66710'), 'a84b4c76e66710'],
  [
    'with a host (RFC 3261 section 24.2)',
    invite('Call-ID: a84b4c@pc33.example'),
    'a84b4c@pc33.example',
  ],
  ['in any case', invite('cALL-id: AbC@host'), 'AbC@host'],
  ['compact (section 7.3.3)', invite('i: abc@host'), 'abc@host'],
  ['compact, upper case', invite('I:abc@host'), 'abc@host'],
  ['space around the colon', invite('Call-ID \t:  \t abc@host'), 'abc@host'],
  ['folded', invite('Call-ID:', '  abc@host'), 'abc@host'],
  ['not a header that only starts alike', invite('In-Reply-To: no@host', 'i: abc'), 'abc'],
  ['not a continued line', invite('Subject: x', ' i: no@host', 'i: abc'), 'abc'],
  ['the first of two', invite('i: one@host', 'Call-ID: two@host'), 'one@host'],
  ['lines that end in LF alone (RFC 2543)', 'OPTIONS sip:x SIP/2.0\ni: abc@host\n\n', 'abc@host'],
  ['lines that end in CR alone', 'OPTIONS sip:x SIP/2.0\ri: abc@host\r\r', 'abc@host'],
  // RFC 4475 section 3.1.1.1 and 3.1.1.2.
  [
    'a torture test: short tortuous INVITE',
    'INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n' +
      'TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n' +
      'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n' +
      'MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 150\r\n',
    'wsinv.ndaksdj@192.0.2.1',
  ],
  [
    'a torture test: wide range of valid characters',
    invite('Call-ID: intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{'),
    'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{',
  ],
  ['nothing', '', null],
  ['no SIP', 'no sip', null],
  ['on the first line', 'Call-ID: abc\r\nCSeq: 1 INVITE\r\n', null],
  ['empty', invite('Call-ID: '), null],
  ['without a colon', invite('Call-ID abc'), null],
  ['a name that goes on', invite('Call-IDs: abc'), null],
  ['two words', invite('Call-ID: abc def'), null],
  ['a character that none may have', invite('Call-ID: abc;x=1'), null],
  ['not terminated', 'OPTIONS sip:x SIP/2.0\r\nCall-ID: abc', null],
  ['cut in the name', 'OPTIONS sip:x SIP/2.0\r\nCall-I', null],
  ['cut after the compact name', 'OPTIONS sip:x SIP/2.0\r\ni', null],
  ['only line ends', '\r\n\r\n\r\n', null],
]

for (const [name, message, expected] of cases) {
  t.test(name, async t => {
    t.equal(callId(message), expected)
  })
}

t.test('a message cut anywhere has the whole Call-ID or none', async t => {
  const whole = invite('Via: SIP/2.0/UDP 192.0.2.1', 'Call-ID : abc@host', 'To: <sip:b@host>')
  const from = whole.indexOf('abc@host') + 'abc@host'.length + 1
  for (let length = 0; length <= whole.length; length++) {
    t.equal(callId(whole.slice(0, length)), length < from ? null : 'abc@host', `${length} octets`)
  }
})
