// FTP over the raw-socket driver, where the packet guard marks instead of dropping.
import t from 'tap'
import { serverAddress, VIP } from '../lab/cast.js'
import { fetchFile, FTP_PORT, FtpServer, hashOf } from '../lab/ftp.js'
import { Sluice } from '../lab/sluice.js'
import { endStage, setStage, watchClient } from './stage.js'

const stage = await setStage(
  t,
  (lab, director) => Sluice.start(lab, director, { driver: 'raw-socket' }),
  { servers: 1 },
)
const { lab, topology, director } = stage
await FtpServer.start(lab, topology.servers.get('a')!)
await director.putService('ftp', {
  ...{ protocol: 'tcp', address: VIP.ipv4, port: FTP_PORT, scheduler: 'rr' },
  realServers: { a: { address: serverAddress('a', 'ipv4') } },
})
const watched = await watchClient(stage)

for (const mode of ['PASV', 'EPSV', 'PORT', 'EPRT'] as const) {
  t.test(mode, async t => {
    for (const name of ['small', 'large'] as const) {
      const got = await fetchFile(lab, topology.client, VIP.ipv4, { mode, name })
      t.match(got, { exit: 0, sha256: hashOf(name) })
    }
  })
}

endStage(t, stage, watched)
