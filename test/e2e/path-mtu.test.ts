// ICMP "fragmentation needed" and ICMPv6 "packet too big" through Sluice, both directions.
import t from 'tap'
import { FAMILIES } from '../lab/cast.js'
import { Sluice } from '../lab/sluice.js'
import { pathMtuTests } from './path-mtu.js'
import { endStage, setStage, watchClient } from './stage.js'

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director), {
  servers: 1,
  hops: true,
})
const watched = await watchClient(stage)
for (const family of FAMILIES) pathMtuTests(t, stage, family)
endStage(t, stage, watched)
