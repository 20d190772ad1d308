// FTP through NAT with a real server and real clients: active and passive, both families, several
// transfers over one control connection, replies lost on the way, and a worker lost meanwhile.
import t from 'tap'
import {
  CLIENT_DEVICE,
  DIRECTOR_DEVICES,
  FAMILIES,
  OTHER_VIP,
  serverAddress,
  VIP,
} from '../lab/cast.js'
import { fetchFile, FILES, FTP_PORT, FtpServer, hashOf, LftpSession, putFile } from '../lab/ftp.js'
import { payload, sha256 } from '../lab/payload.js'
import { Sluice } from '../lab/sluice.js'
import { setOffload } from '../lab/topology.js'
import { endStage, setStage, watchClient } from './stage.js'

const MODES_OF = { ipv4: ['PASV', 'EPSV', 'PORT', 'EPRT'], ipv6: ['EPSV', 'EPRT'] } as const

const NODAD = { ipv4: '', ipv6: 'nodad' }

// Every other segment that starts with "227 " is lost: 32 octets of TCP header with timestamps.
const LOSS = `table ip loss {
  counter lost { }
  chain input {
    type filter hook prerouting priority raw; policy accept;
    iifname "${CLIENT_DEVICE}" tcp sport ${FTP_PORT} @th,256,32 0x32323720 numgen inc mod 2 0 counter name lost drop
  }
}`

const stage = await setStage(
  t,
  (lab, director) => Sluice.start(lab, director, { killable: true }),
  {
    servers: 1,
  },
)
const { lab, topology, director } = stage
const { client } = topology
await setOffload(topology, true)
const server = await FtpServer.start(lab, topology.servers.get('a')!)
for (const family of FAMILIES)
  await director.putService(`ftp-${family}`, {
    ...{ protocol: 'tcp', address: VIP[family], port: FTP_PORT, scheduler: 'rr' },
    realServers: { a: { address: serverAddress('a', family) } },
  })
const watched = await watchClient(stage)

for (const family of FAMILIES) {
  for (const mode of MODES_OF[family]) {
    t.test(`${family}: ${mode}`, async t => {
      for (const name of ['small', 'large'] as const) {
        const got = await fetchFile(lab, client, VIP[family], { mode, name })
        t.match(got, { exit: 0, sha256: hashOf(name) }, `download of ${FILES[name]} octets`)
        t.match(got.dialogue, new RegExp(`> ${mode}\\b`), `by ${mode}`)
      }
      const upload = { mode, name: `up-${mode}`, octets: 1_000_000 }
      const put = await putFile(lab, client, VIP[family], upload)
      t.equal(put.code, 0, put.stderr)
      t.equal(server.takeUpload(upload.name), sha256(payload(upload.name, upload.octets)), 'upload')
    })
  }
}

t.test('the client is told the virtual address', async t => {
  const { dialogue } = await fetchFile(lab, client, VIP.ipv4, { mode: 'PASV', name: 'small' })
  t.match(dialogue, /< 227 [^\n]*\(198,51,100,10,\d+,\d+\)/)
  t.notMatch(dialogue, /10,0,0,1/)
})

for (const [passive, shift] of [
  ['yes', 'shortened'],
  ['no', 'left alone'],
] as const) {
  t.test(`many transfers over one control connection, replies ${shift}`, async t => {
    const session = new LftpSession(lab, client, VIP.ipv4, { 'ftp:passive-mode': passive })
    for (let i = 0; i < 8; i++) t.equal(await session.fetch('small'), hashOf('small'))
    t.equal(await session.fetch('large'), hashOf('large'))
    const controls = await controlConnections()
    t.equal(controls.length, 1, 'one control connection')
    t.equal(await session.end(), 0)
  })
}

t.test('a reply lost on the way is rewritten again', async t => {
  await client.nft(LOSS)
  const session = new LftpSession(lab, client, VIP.ipv4, { 'ftp:passive-mode': 'yes' })
  for (let i = 0; i < 3; i++) t.equal(await session.fetch('small'), hashOf('small'))
  const lost = /packets (\d+)/.exec(
    await client.must(['nft', 'list', 'counter', 'ip', 'loss', 'lost']),
  )
  t.ok(Number(lost?.[1]) >= 3, 'each was lost once')
  t.equal((await controlConnections()).length, 1, 'without a new control connection')
  t.equal(await session.end(), 0)
  await client.nft('delete table ip loss')
})

t.test('a control connection outlives the dataplane', async t => {
  const session = new LftpSession(lab, client, VIP.ipv4, { 'ftp:passive-mode': 'yes' })
  for (let i = 0; i < 3; i++) t.equal(await session.fetch('small'), hashOf('small'))
  const from = director.process.stdout.length + director.process.stderr.length
  director.loseWorker()
  await director.process.waitFor(/ending thread \d+/, 5000, from)
  for (let i = 0; i < 3; i++) t.equal(await session.fetch('small'), hashOf('small'))
  t.equal((await controlConnections()).length, 1, 'the same')
  t.equal(await session.end(), 0)
})

// Marked is the control connection alone, everything to the address, or that and a server's own port.
const MARKS = {
  'the control connection': { ports: ['21'], port: 0 },
  'the control connection, to a port': { ports: ['21'], port: FTP_PORT },
  'every connection': { ports: ['1-65535'], port: 0 },
  'every connection, to a port': { ports: ['21', '1024-65535'], port: FTP_PORT },
} as const

for (const family of FAMILIES) {
  const vip = OTHER_VIP[family]
  t.test(`${family}: FTP by firewall mark`, async t => {
    const prefix = `${vip}/${family === 'ipv4' ? 32 : 128}`
    await topology.director.ip(`addr add ${prefix} dev ${DIRECTOR_DEVICES[0]} ${NODAD[family]}`)
    for (const [what, { ports, port }] of Object.entries(MARKS)) {
      const rule = { mark: 7, addressFamily: family, protocol: 'tcp', destination: prefix }
      await director.api('PUT', '/v1/mark-rules/ftp', { ...rule, destinationPorts: ports })
      await director.api('PUT', '/v1/virtual-services/marked', {
        ...{ fwmark: 7, addressFamily: family, scheduler: 'rr' },
        realServers: { a: { address: serverAddress('a', family), port } },
      })
      for (const mode of MODES_OF[family]) {
        const got = await fetchFile(lab, client, vip, { mode, name: 'large' })
        t.match(got, { exit: 0, sha256: hashOf('large') }, `${what}, ${mode}`)
      }
      await director.deleteService('marked')
      await director.api('DELETE', '/v1/mark-rules/ftp')
    }
    await topology.director.ip(`addr del ${prefix} dev ${DIRECTOR_DEVICES[0]}`)
  })
}

t.test('another port becomes FTP’s while its service exists', async t => {
  const port = 2121
  await director.putService('ftp-other', {
    ...{ protocol: 'tcp', address: VIP.ipv4, port, scheduler: 'rr' },
    realServers: { a: { address: serverAddress('a', 'ipv4'), port: FTP_PORT } },
  })
  await director.api('PATCH', '/v1/settings', { ftpPorts: [port] })
  await director.deleteService('ftp-ipv4')
  for (const mode of MODES_OF.ipv4) {
    const got = await fetchFile(lab, client, VIP.ipv4, { mode, name: 'large', port })
    t.match(got, { exit: 0, sha256: hashOf('large') }, mode)
  }
  await director.deleteService('ftp-other')
})

endStage(t, stage, watched)

/** Established control connections from the client, as the client's own kernel lists them. */
async function controlConnections(): Promise<string[]> {
  const filter = `dport = :${FTP_PORT}`
  const sockets = await client.must(['ss', '-Htn', 'state', 'established', filter])
  return sockets.split('\n').filter(Boolean)
}
