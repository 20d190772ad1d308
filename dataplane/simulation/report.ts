/** Tells every step of a simulated packet in plain data. */
import type { CounterName } from '../counters.js'
import type { Port } from '../driver/driver.js'
import { configOf, keyOf } from '../ipvs/config-words.js'
import type { Dest } from '../ipvs/dest.js'
import type { Ipvs } from '../ipvs/ipvs.js'
import type { Observed } from '../ipvs/observer.js'
import type { Service } from '../ipvs/service.js'
import type { Shadow } from '../ipvs/shadow.js'
import type { Packet } from '../packet.js'
import type { PassedOver, Simulation, SimulatedConnection, SimulatedServer } from '../protocol.js'
import type { ConnRecord } from '../shared/conn-reader.js'
import type { SchedulerSpy } from './scheduler-spy.js'
import { wayOf } from './way.js'

export interface Simulated {
  real: Ipvs
  shadow: Shadow
  spy: SchedulerSpy
  observed: Observed
  ports: readonly Port[]
  sent: Simulation['sent']
  packet: Simulation['packet']
  mark: Simulation['mark']
  /** The packet before the engine had it. */
  parsed: Packet
}

export function report(simulated: Simulated): Simulation {
  const { shadow, real, spy, observed, parsed, packet, mark, sent } = simulated
  const { direction, verdict, counters, reasons } = observed
  const dest = shadow.realDest(observed.dest ?? null) ?? shadow.realDest(spy.choice)
  const decidedBy = deciderOf(observed, spy)
  const service = shadow.focus.service ?? real.services.byRow(dest?.serviceRow ?? 0)
  return {
    ...{ packet, mark },
    service: service === undefined ? null : serviceOf(service, parsed, shadow.focus.inverse),
    direction,
    connection: connectionOf(observed),
    template: templateOf(simulated),
    realServers: serversOf(service, dest, spy.asked),
    decidedBy,
    ...wayOf(simulated, dest),
    ...{ sent, verdict },
    counter: reasons[0] ?? VERDICT_COUNTERS[verdict] ?? null,
    counters,
  }
}

const VERDICT_COUNTERS: Partial<Record<Simulation['verdict'], CounterName>> = {
  ...{ forwarded: 'forwarded', answered: 'answered', host: 'accepted', held: 'fragmentHeld' },
}

function deciderOf(observed: Observed, spy: SchedulerSpy): Simulation['decidedBy'] {
  if (spy.asked) return 'scheduler'
  if (!observed.scheduled) return observed.before === null ? null : 'connection'
  return observed.direction === 'out' ? 'realServer' : 'template'
}

/** The step of the lookup follows from what was found. */
function serviceOf(service: Service, { flow }: Packet, inverse: boolean): Simulation['service'] {
  const port = inverse ? flow.srcPort : flow.dstPort
  const byAddress = service.port === port ? 'exact' : service.port === 0 ? 'anyPort' : 'ftp'
  const scheduler = service.schedulerName as NonNullable<Simulation['service']>['scheduler']
  return {
    ...{ row: service.row, key: keyOf(service), scheduler, random: scheduler === 'twos' },
    lookup: service.fwmark !== 0 ? 'mark' : byAddress,
  }
}

function connectionOf({ before, after, isNew }: Observed): SimulatedConnection | null {
  const shown = (isNew ? after?.record : before?.record) ?? after?.record ?? null
  if (shown === null) return null
  return {
    status: !isNew ? 'existing' : before === null ? 'new' : 'replaced',
    ...partsOf(shown),
    stateBefore: before?.record?.state ?? null,
    stateAfter: after?.record?.state ?? null,
  }
}

function templateOf({ shadow, observed }: Simulated): Simulation['template'] {
  const { template } = observed
  if (template === null) return null
  const replaced = shadow.focus.template !== 0
  const status = !template.isNew ? 'existing' : replaced ? 'replaced' : 'new'
  return { status, ...partsOf(template.record) }
}

const partsOf = (record: ConnRecord) => {
  const { protocol, client, virtual, realServer, forwarding, expiresInSeconds } = record
  return { protocol, client, virtual, realServer, forwarding, expiresInSeconds }
}

function serversOf(
  service: Service | undefined,
  chosen: Dest | undefined,
  asked: boolean,
): SimulatedServer[] {
  const dests = service?.dests ?? []
  const gone = chosen !== undefined && !dests.includes(chosen) ? [chosen] : []
  return [...dests, ...gone].map(dest => {
    const isChosen = dest === chosen && dest.available
    const { weight, activeConns, inactConns, persistConns, overloaded, row } = dest
    const { address, port, forwarding, upperThreshold, lowerThreshold } = configOf(dest)
    return {
      ...{ row, address, port, forwarding, weight, activeConns, inactConns, persistConns },
      ...{ upperThreshold, lowerThreshold, overloaded, chosen: isChosen },
      passedOver: isChosen ? null : passedOver(dest, asked),
    }
  })
}

function passedOver(dest: Dest, asked: boolean): PassedOver {
  if (!dest.available) return 'notAvailable'
  if (!asked) return 'notAsked'
  if (dest.weight === 0) return 'weightZero'
  if (dest.overloaded) return 'overloaded'
  return dest.ramp !== null && dest.ramp.credit < 1 ? 'slowStart' : 'notChosen'
}
