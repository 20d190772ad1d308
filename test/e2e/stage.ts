import type { Test } from 'tap'
import { CLIENT_DEVICE, type ServerName } from '../lab/cast.js'
import { Capture } from '../lab/capture.js'
import type { Director } from '../lab/director.js'
import { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import { IPERF_PORT, startServers, type RealServer } from '../lab/real-server.js'
import { build, type Topology, type TopologyOptions } from '../lab/topology.js'

/** A lab with its servers running and a director in the middle. */
export interface Stage<D extends Director = Director> {
  lab: Lab
  topology: Topology
  servers: Map<ServerName, RealServer>
  director: D
}

/** Sets the stage for a test file, and clears it away when the test ends. */
export async function setStage<D extends Director>(
  t: Test,
  start: (lab: Lab, director: Namespace, topology: Topology) => Promise<D> | D,
  options: TopologyOptions = {},
): Promise<Stage<D>> {
  const lab = await Lab.open()
  // For a test that breaks off; "endStage" is the one that asserts.
  t.teardown(() => lab.close())
  const topology = await build(lab, options)
  const servers = await startServers(topology.servers)
  const director = await start(lab, topology.director, topology)
  return { lab, topology, servers, director }
}

// Flags of a TCP header behind an IPv6 header: pcap's `tcp[…]` reads IPv4 only.
const RESET = '(tcp[tcpflags] & tcp-rst != 0) or (ip6[6] = 6 and ip6[53] & 4 != 0)'
const UNTRANSLATED = 'src net 10.0.0.0/24 or src net 2001:db8:2::/64'

/**
 * Watches what arrives at the client: a reset, or a packet with a real server's own address, means
 * that somebody but the balancer answered. Returns a function that ends the watch.
 */
export async function watchClient(stage: Stage): Promise<() => Promise<string[]>> {
  // iperf3 itself ends transfers with a reset.
  const filter = `((${RESET}) and not port ${IPERF_PORT}) or ${UNTRANSLATED}`
  const watch = await Capture.start(stage.topology.client, CLIENT_DEVICE, filter, {
    direction: 'in',
  })
  return () => watch.stop()
}

/** The last sub-test of a file: stops the director, and looks for anything that it left. */
export function endStage(t: Test, stage: Stage, watched?: () => Promise<string[]>): void {
  t.test('everything is cleared away', async t => {
    const { lab, topology, director } = stage
    if (watched) t.strictSame(await watched(), [], 'no reset, no untranslated packet at the client')
    await director.stop()
    t.equal(await topology.director.must(['nft', 'list', 'ruleset']), '', 'no nftables table')
    const addresses = await topology.director.must(['ip', '-brief', 'address'])
    t.notMatch(addresses, /198\.51\.100\.|2001:db8:f:/, 'no virtual address')
    const rules = await topology.director.must(['ip', 'rule'])
    t.strictSame(rules.trim().split('\n').length, 3, 'no policy route')
    t.strictSame(await lab.close(), [], 'no namespace')
  })
}
