/** The schedulers by ipvsadm's names. */
import { DestinationHashing } from './dh.js'
import { WeightedFailover } from './fo.js'
import { LocalityLeastConnection } from './lblc.js'
import { LocalityLeastConnectionReplicated } from './lblcr.js'
import { LeastConnection } from './lc.js'
import { Maglev } from './mh.js'
import { NeverQueue } from './nq.js'
import { Overflow } from './ovf.js'
import { RoundRobin } from './rr.js'
import type { SchedulerFactory } from './scheduler.js'
import { ShortestExpectedDelay } from './sed.js'
import { SourceHashing } from './sh.js'
import { TwoRandomChoices } from './twos.js'
import { WeightedLeastConnection } from './wlc.js'
import { WeightedRoundRobin } from './wrr.js'

export const schedulers = {
  rr: context => new RoundRobin(context),
  wrr: context => new WeightedRoundRobin(context),
  lc: context => new LeastConnection(context),
  wlc: context => new WeightedLeastConnection(context),
  lblc: context => new LocalityLeastConnection(context),
  lblcr: context => new LocalityLeastConnectionReplicated(context),
  dh: context => new DestinationHashing(context),
  sh: context => new SourceHashing(context),
  mh: context => new Maglev(context),
  sed: context => new ShortestExpectedDelay(context),
  nq: context => new NeverQueue(context),
  fo: context => new WeightedFailover(context),
  ovf: context => new Overflow(context),
  twos: context => new TwoRandomChoices(context),
} as const satisfies Record<string, SchedulerFactory>

export type SchedulerName = keyof typeof schedulers
