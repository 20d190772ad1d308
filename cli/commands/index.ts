/** The commands that manage an appliance over its API. */
import type { Command } from 'commander'
import { addApply } from './apply.js'
import { addCompletion } from './completion.js'
import type { Io } from './context.js'
import { addDelete } from './delete.js'
import { addExchange } from './exchange.js'
import { addExplain } from './explain.js'
import { addGet } from './get.js'

export function addApiCommands(program: Command, io: Io): void {
  addGet(program, io)
  addApply(program, io)
  addDelete(program, io)
  addExplain(program, io)
  addExchange(program, io)
  addCompletion(program, io)
}
