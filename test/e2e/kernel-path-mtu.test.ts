// Path MTU discovery over kernel NAT: the reference for path-mtu.test.ts.
import t from 'tap'
import { FAMILIES } from '../lab/cast.js'
import { NftDirector } from '../lab/nft-director.js'
import { pathMtuTests } from './path-mtu.js'
import { endStage, setStage } from './stage.js'

const stage = await setStage(t, (_, director) => new NftDirector(director), {
  servers: 1,
  hops: true,
})
for (const family of FAMILIES) pathMtuTests(t, stage, family)
endStage(t, stage)
