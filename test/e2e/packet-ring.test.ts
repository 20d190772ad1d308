// Sluice over the packet ring, with segmentation and checksum offload as the kernel has it: on.
import t from 'tap'
import { FAMILIES } from '../lab/cast.js'
import { Sluice } from '../lab/sluice.js'
import { setOffload } from '../lab/topology.js'
import { endStage, setStage, watchClient } from './stage.js'
import { trafficTests } from './traffic.js'

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director))
await setOffload(stage.topology, true)
const watched = await watchClient(stage)
for (const family of FAMILIES) trafficTests(t, stage, family)
endStage(t, stage, watched)
