// As packet-ring.test.ts with every offload off: each segment alone, every checksum complete.
import t from 'tap'
import { FAMILIES } from '../lab/cast.js'
import { Sluice } from '../lab/sluice.js'
import { setOffload } from '../lab/topology.js'
import { endStage, setStage, watchClient } from './stage.js'
import { trafficTests } from './traffic.js'

const stage = await setStage(t, async (lab, director, topology) => {
  await setOffload(topology, false)
  return Sluice.start(lab, director)
})
const watched = await watchClient(stage)
for (const family of FAMILIES) trafficTests(t, stage, family)
endStage(t, stage, watched)
