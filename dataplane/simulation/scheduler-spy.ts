/** Notices whether a shadow engine asks a scheduler, and what it answers. */
import type { Dest } from '../ipvs/dest.js'
import type { Ipvs } from '../ipvs/ipvs.js'
import type { Scheduler } from '../ipvs/sched/scheduler.js'

export class SchedulerSpy {
  asked = false
  choice: Dest | null = null

  constructor({ services }: Ipvs) {
    for (const service of services)
      if (service.scheduler !== null) service.scheduler = this.#watched(service.scheduler)
  }

  #watched(scheduler: Scheduler): Scheduler {
    return {
      add: dest => scheduler.add(dest),
      del: (dest, index) => scheduler.del(dest, index),
      edit: dest => scheduler.edit(dest),
      schedule: (flow, inverse) => {
        this.asked = true
        this.choice = scheduler.schedule(flow, inverse)
        return this.choice
      },
    }
  }
}
