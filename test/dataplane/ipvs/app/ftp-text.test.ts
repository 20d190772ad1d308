import t from 'tap'
import { FtpText, Mode, Reading } from '../../../../dataplane/ipvs/app/ftp-text.js'
import { format } from '../../../../dataplane/wire/address.js'
import { Random } from '../../../fixtures/seed.js'

const GUARD = 0xa5

/** The text in memory that holds something else before and behind it. */
function placed(text: string): [Uint8Array, number, number] {
  const bytes = Uint8Array.from([GUARD, GUARD, ...Buffer.from(text, 'latin1'), 0x31, 0x31, 0x31])
  return [bytes, 2, 2 + text.length]
}

function endpoint(text: string, read: Reading, ftp: FtpText, family: number): string | Reading {
  if (read !== Reading.read) return read
  const [w0, w1, w2, w3] = ftp.words as unknown as [number, number, number, number]
  const where = ftp.hasAddress ? format(family, w0, w1, w2, w3) : '-'
  return `${where} ${ftp.port} [${text.slice(ftp.from - 2, ftp.to - 2)}]`
}

function command(text: string, family = 4): string | Reading {
  const ftp = new FtpText()
  return endpoint(text, ftp.readCommand(...placed(text), family), ftp, family)
}

function reply(mode: Mode, text: string, family = 4): string | Reading {
  const ftp = new FtpText()
  return endpoint(text, ftp.readReply(mode, ...placed(text), family), ftp, family)
}

t.test('PASV and EPSV, anywhere and in any case', async t => {
  const find = (text: string, family = 4) => new FtpText().findPassive(...placed(text), family)
  t.equal(find('PASV\r\n'), Mode.pasv)
  t.equal(find('TYPE I\r\npAsV\r\n'), Mode.pasv)
  t.equal(find('PASV\r'), Mode.active, 'the line is not over')
  t.equal(find('PASV \r\n'), Mode.active)
  t.equal(find('PASV\r\n', 6), Mode.active, 'RFC 959 knows no IPv6')
  t.equal(find('EPSV\r\n'), Mode.epsv)
  t.equal(find('epsv 1\r\n'), Mode.epsv)
  t.equal(find('EPSV 2\r\n', 6), Mode.epsv)
  t.equal(find('EPSV 2\r\n'), Mode.active, 'another family')
  t.equal(find('EPSV ALL\r\n'), Mode.active, 'RFC 2428 section 4')
  t.equal(find('EPSV 1'), Mode.active)
  t.equal(find('EEPSV\r\n'), Mode.epsv)
  t.equal(find('PPASV\r\n'), Mode.pasv)
  t.equal(find(''), Mode.active)
})

t.test('PORT', async t => {
  t.equal(command('PORT 132,235,1,2,24,131\r\n'), '132.235.1.2 6275 [132,235,1,2,24,131]')
  t.equal(command('port   10,1,0,1,16,10\r\n'), '10.1.0.1 4106 [10,1,0,1,16,10]')
  for (const text of [
    'PORT 10,1,0,1,16\r\n',
    'PORT 10,1,0,1,16,\r\n',
    'PORT 10,1,0,1,16,256\r\n',
    'PORT 999999999999999999999,1,0,1,16,1\r\n',
    'PORT 10,1,0,1,0,0\r\n',
    'PORT 10,1,0,1,16,10',
    'PORT ',
    'PORT x10,1,0,1,16,10\r\n',
    'PORT ,,,,,\r\n',
    'PORT -1,1,0,1,16,10\r\n',
  ])
    t.equal(command(text), Reading.malformed, JSON.stringify(text))
  for (const text of ['', 'P', 'PORT', 'PORTX 1', 'NOOP\r\nPORT 10,1,0,1,16,10\r\n'])
    t.equal(command(text), Reading.other, JSON.stringify(text))
  t.equal(command('PORT 10,1,0,1,16,10\r\n', 6), Reading.other)
})

t.test('EPRT, the examples of RFC 2428 section 2', async t => {
  t.equal(command('EPRT |1|132.235.1.2|6275|\r\n'), '132.235.1.2 6275 [|1|132.235.1.2|6275|]')
  t.equal(
    command('EPRT |2|1080::8:800:200C:417A|5282|\r\n', 6),
    '1080::8:800:200c:417a 5282 [|2|1080::8:800:200C:417A|5282|]',
  )
  t.equal(command('eprt !1!10.0.0.1!1!'), '10.0.0.1 1 [!1!10.0.0.1!1!]', 'any delimiter')
  for (const [text, family] of [
    ['EPRT |2|1080::8:800:200C:417A|5282|\r\n', 4],
    ['EPRT |1|132.235.1.2|6275|\r\n', 6],
    ['EPRT |1|132.235.1|6275|\r\n', 4],
    ['EPRT |1|132.235.1.2|65536|\r\n', 4],
    ['EPRT |1|132.235.1.2|0|\r\n', 4],
    ['EPRT |1|132.235.1.2||\r\n', 4],
    ['EPRT |1|132.235.1.2|6275\r\n', 4],
    ['EPRT |1|132.235.1.2|62', 4],
    ['EPRT |||6275|\r\n', 4],
    ['EPRT ', 4],
  ] as const)
    t.equal(command(text, family), Reading.malformed, text)
})

t.test('IPv6 addresses as RFC 4291 section 2.2 writes them', async t => {
  const read = (text: string) => command(`EPRT |2|${text}|1|`, 6)
  for (const [text, shown] of [
    ['ABCD:EF01:2345:6789:ABCD:EF01:2345:6789', 'abcd:ef01:2345:6789:abcd:ef01:2345:6789'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a'],
    ['FF01::101', 'ff01::101'],
    ['::1', '::1'],
    ['::', '::'],
    ['2001:db8::', '2001:db8::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['0:0:0:0:0:0:13.1.68.3', '::d01:4403'],
    ['::FFFF:129.144.52.38', '::ffff:129.144.52.38'],
  ] as const) {
    const got = String(read(text)).split(' ')[0]!
    t.equal(new URL(`http://[${got}]`).hostname, new URL(`http://[${shown}]`).hostname, text)
  }
  for (const text of [
    ...[
      ':',
      ':::',
      '1',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      '12345::',
      '1:2:3:4:5:6:7:8::',
    ],
    ...['g::', '1:', ':1', '::1.2.3', '::1.2.3.256', '1:2:3:4:5:6:7:1.2.3.4', '::1.2.3.4:5', ''],
  ])
    t.equal(read(text), Reading.malformed, JSON.stringify(text))
})

t.test('227', async t => {
  const pasv = (text: string) => reply(Mode.pasv, text)
  t.equal(
    pasv('227 Entering Passive Mode (10,0,0,1,195,80)\r\n'),
    '10.0.0.1 50000 [10,0,0,1,195,80]',
  )
  t.equal(pasv('227 =10,0,0,1,195,83\r\n'), '10.0.0.1 50003 [10,0,0,1,195,83]')
  t.equal(pasv('227 ok ((10,0,0,1,195,80.\r\n'), '10.0.0.1 50000 [10,0,0,1,195,80]')
  t.equal(pasv('227 Entering Passive Mode (10,0,0,1,195\r\n'), Reading.malformed)
  t.equal(pasv('227 Entering Passive Mode (10,0,0,1,195,80'), Reading.malformed, 'may go on')
  t.equal(pasv('227 '), Reading.malformed)
  t.equal(pasv('226 Done\r\n'), Reading.other)
  t.equal(pasv('x227 (1,1,1,1,1,1)\r\n'), Reading.other)
  t.equal(pasv('229 (|||1|)\r\n'), Reading.other)
  t.equal(reply(Mode.active, '227 (1,1,1,1,1,1)\r\n'), Reading.other)
})

t.test('229, the example of RFC 2428 section 3', async t => {
  const epsv = (text: string, family = 4) => reply(Mode.epsv, text, family)
  const text = '229 Entering Extended Passive Mode (|||6446|)\r\n'
  t.equal(epsv(text), '- 6446 [|||6446|]')
  t.equal(epsv(text, 6), '- 6446 [|||6446|]')
  t.equal(epsv('229 (|1|10.9.8.7|6446|)'), '10.9.8.7 6446 [|1|10.9.8.7|6446|]')
  t.equal(epsv('229 (||10.9.8.7|6446|)'), Reading.malformed)
  t.equal(epsv('229 Entering Extended Passive Mode\r\n'), Reading.malformed)
  t.equal(epsv('229 (|||65536|)\r\n'), Reading.malformed)
  t.equal(epsv('229 ((('), Reading.malformed)
  t.equal(epsv('229 (\x7f\x7f\x7f1\x7f)'), Reading.malformed, 'a delimiter that cannot be seen')
})

t.test('what is written is read again', async t => {
  const random = Random.of(t)
  const ftp = new FtpText()
  for (let i = 0; i < 500; i++) {
    const word = random.word()
    const port = random.integer(1, 65535)
    ftp.write(Mode.pasv, word, port)
    const six = Buffer.from(ftp.written.subarray(0, ftp.octets)).toString()
    t.equal(reply(Mode.pasv, `227 (${six})`), `${format(4, word, 0, 0, 0)} ${port} [${six}]`)
    ftp.write(Mode.epsv, word, port)
    t.equal(Buffer.from(ftp.written.subarray(0, ftp.octets)).toString(), `|||${port}|`)
  }
})

t.test('hostile text: no fault, nothing read behind the end, nothing found outside', async t => {
  const random = Random.of(t)
  const words = [
    'PORT ',
    'EPRT ',
    'PASV',
    'EPSV',
    '227 ',
    '229 ',
    '\r\n',
    '(',
    '|',
    ',',
    '.',
    ':',
    '1',
  ]
  const numbers = ['255', '256', '0', '99999999999999999999', 'ffff', '::', '-1']
  const ftp = new FtpText()
  for (let i = 0; i < 20_000; i++) {
    let text = ''
    for (let n = random.integer(0, 20); n > 0; n--) {
      const other = Buffer.from(random.bytes(random.integer(0, 3))).toString('latin1')
      text += random.pick([random.pick(words), random.pick(numbers), other])
    }
    const family = random.pick([4, 6])
    // A view as long as the text: a read behind it gives undefined, and a number made of that NaN.
    const bytes = Uint8Array.from(Buffer.from(text, 'latin1'))
    const untouched = bytes.slice()
    ftp.findPassive(bytes, 0, bytes.length, family)
    for (const reading of [
      ftp.readCommand(bytes, 0, bytes.length, family),
      ftp.readReply(Mode.pasv, bytes, 0, bytes.length, family),
      ftp.readReply(Mode.epsv, bytes, 0, bytes.length, family),
    ]) {
      if (reading !== Reading.read) continue
      const { from, to, port } = ftp
      if (!(from > 0 && from < to && to <= bytes.length && port > 0 && port < 65536))
        t.fail(`${JSON.stringify(text)}: [${from}, ${to}) ${port}`)
    }
    if (Buffer.compare(bytes, untouched) !== 0) t.fail('written to')
  }
  t.pass('all read')
})
