/** At least 1 GB through Sluice, its hash, and its speed next to kernel nftables on the same wires. */
import { createHash } from 'node:crypto'
import { VIP } from '../lab/cast.js'
import { nftContender, type Contender } from '../lab/contender.js'
import { bulk, startIperf } from '../lab/iperf.js'
import { payload } from '../lab/payload.js'
import { bold, print, section, table } from './screen.js'
import { bulkService } from './services.js'
import { ask, type Show } from './show.js'

const BLOCK = 64 << 20
const BLOCKS = 16
const GIB = BLOCK * BLOCKS

export async function showTransfer(show: Show): Promise<void> {
  section('1 GiB through Sluice, with its hash')
  const { topology, checks } = show
  const began = performance.now()
  const url = `http://${VIP.ipv4}/repeat/${BLOCK}/${BLOCKS}`
  const script = `curl -sSf -w '%{stderr}%{size_download}' ${url} | sha256sum`
  const done = await topology.client.run(['sh', '-c', script])
  const seconds = (performance.now() - began) / 1000
  const hash = done.stdout.split(' ')[0]
  table([
    ['', 'octets', 'seconds', 'sha256'],
    ['sent', String(GIB), '', expectedHash().slice(0, 16)],
    ['received', done.stderr.trim(), seconds.toFixed(1), hash?.slice(0, 16) ?? ''],
  ])
  checks.that('1 GiB arrived whole', hash === expectedHash() && Number(done.stderr) === GIB)
}

/** Sluice, nftables, nftables, Sluice: in this order a drift of the machine favours neither. */
export async function showSpeed(show: Show, restart: () => Promise<void>): Promise<void> {
  section('The same wires: 1 GiB by iperf3 through Sluice and through kernel nftables DNAT')
  const { sluice, topology, checks } = show
  await ask(show, {
    method: 'PUT',
    path: '/v1/virtual-services/bulk',
    body: bulkService(),
    lines: 1,
  })
  await startIperf(topology.servers.get('a')!)
  const own: Contender = { name: 'Sluice', start: restart, stop: () => sluice.stop() }
  const nft = nftContender(topology.director, { bulk: bulkService() })
  const speeds = new Map([own, nft].map(({ name }) => [name, [] as number[]]))
  const measure = async ({ name }: Contender) => {
    const { gbitS, octets } = await bulk(topology.client, VIP.ipv4, ['-n', '1G'])
    speeds.get(name)!.push(octets > 0 ? gbitS : 0)
  }
  await measure(own)
  await own.stop()
  await checkGone(show)
  await nft.start()
  await measure(nft)
  await measure(nft)
  await nft.stop()
  await own.start()
  await measure(own)
  const mean = (name: string) => (speeds.get(name)![0]! + speeds.get(name)![1]!) / 2
  const row = (name: string) => [
    name,
    ...speeds.get(name)!.map(gbit => gbit.toFixed(1)),
    mean(name).toFixed(1),
  ]
  table([['Gbit/s, receiver', 'first', 'second', 'mean'], row(own.name), row(nft.name)])
  const ratio = mean(own.name) / mean(nft.name)
  print(
    `   Sluice carried ${bold(ratio.toFixed(2))} of what the kernel did (npm run bench -- bulk measures it properly).`,
  )
  checks.that(
    'both carried every transfer',
    [...speeds.values()].flat().every(gbit => gbit > 0),
  )
}

/** A stopped Sluice leaves nothing on the host. */
export async function checkGone({ topology, checks }: Show): Promise<void> {
  const ruleset = await topology.director.must(['nft', 'list', 'ruleset'])
  const addresses = await topology.director.must(['ip', '-brief', 'address'])
  const clean = ruleset.trim() === '' && !/198\.51\.100\.|2001:db8:f:/.test(addresses)
  checks.that(
    'stopped with SIGTERM: exit status 0, no virtual address, no nftables table',
    clean,
    ruleset + addresses,
  )
}

let known = ''
/** What /repeat/BLOCK/BLOCKS must hash to. */
function expectedHash(): string {
  if (known !== '') return known
  const block = payload(`bytes/${BLOCK}`, BLOCK)
  const sum = createHash('sha256')
  for (let i = 0; i < BLOCKS; i++) sum.update(block)
  return (known = sum.digest('hex'))
}
