// The traffic tests over kernel NAT: what they expect of Sluice is what Linux does.
import t from 'tap'
import { FAMILIES } from '../lab/cast.js'
import { NftDirector } from '../lab/nft-director.js'
import { endStage, setStage, watchClient } from './stage.js'
import { trafficTests } from './traffic.js'

const stage = await setStage(t, (_, director) => new NftDirector(director))
const watched = await watchClient(stage)
for (const family of FAMILIES) trafficTests(t, stage, family)
endStage(t, stage, watched)
