import t from 'tap'
import { Sluice } from '../lab/sluice.js'
import { endStage, setStage, watchClient } from './stage.js'
import { trafficTests } from './traffic.js'
const stage = await setStage(t, (lab, director) => Sluice.start(lab, director))
const watched = await watchClient(stage)
await stage.topology.director.must(['nft', 'flush', 'chain', 'inet', 'sluice', 'prerouting'])
trafficTests(t, stage, 'ipv4')
endStage(t, stage, watched)
