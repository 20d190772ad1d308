/**
 * Which API a command talks to. The environment says; else the admin socket of an appliance on this
 * host, where its owner needs no token; else loopback, where SLUICE_TOKEN is shown.
 */
import { accessSync, constants } from 'node:fs'
import { adminSocketOf } from '../server/config.js'

export const API_DEFAULT = 'http://127.0.0.1:7480'
/** Where a packaged appliance keeps its database. */
const INSTALLED = '/var/lib/sluice/sluice.db'

/** Text of an address, as `parseApi` takes it. */
export function findApi(env: NodeJS.ProcessEnv, mayUse = isUsable): string {
  if (env.SLUICE_API) return env.SLUICE_API
  const { SLUICE_ADMIN_SOCKET: named, SLUICE_DATABASE: database } = env
  const sockets = [
    ...(named && named !== 'off' ? [named] : []),
    ...[database || './sluice.db', INSTALLED].map(adminSocketOf),
  ]
  const found = sockets.find(mayUse)
  return found === undefined ? API_DEFAULT : `unix:${found}`
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
