/** The commands that manage an appliance over its API. */
import type { Command } from 'commander'
import { addApply } from './apply.js'
import { addCheck } from './check.js'
import { addCompletion } from './completion.js'
import type { Io } from './context.js'
import { addDelete } from './delete.js'
import { addDrain } from './drain.js'
import { addEvents } from './events.js'
import { addExchange } from './exchange.js'
import { addExplain } from './explain.js'
import { addGet } from './get.js'
import { addMaintenance } from './maintenance.js'
import { addPlan } from './plan.js'
import { addRollback } from './rollback.js'
import { addToken } from './token.js'
import { addWebhook } from './webhook.js'

export function addApiCommands(program: Command, io: Io): void {
  addGet(program, io)
  addApply(program, io)
  addPlan(program, io)
  addRollback(program, io)
  addDelete(program, io)
  addDrain(program, io)
  addMaintenance(program, io)
  addCheck(program, io)
  addExplain(program, io)
  addEvents(program, io)
  addExchange(program, io)
  addToken(program, io)
  addWebhook(program, io)
  addCompletion(program, io)
}
