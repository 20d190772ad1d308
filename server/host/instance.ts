/**
 * One Sluice for each network namespace: two would fight over the packet guard and answer twice.
 * The lock is a socket in the abstract namespace, which Linux keeps for each network namespace and
 * drops with the process that holds it, however that ends.
 */
import { createServer, connect, type Server } from 'node:net'

const NAME = '\0sluice-appliance'

export class InstanceRunning extends Error {
  /** Process that holds the lock; null when it did not say. */
  readonly pid: number | null
  constructor(pid: number | null) {
    const who = pid === null ? 'another Sluice' : `another Sluice (process ${pid})`
    super(`${who} is running in this network namespace; stop it first${pid ? `: kill ${pid}` : ''}`)
    this.pid = pid
  }
}

export interface InstanceLock {
  release(): Promise<void>
}

/** Takes the lock, or throws InstanceRunning. */
export async function lockInstance(name = NAME): Promise<InstanceLock> {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.end(String(process.pid))
  })
  try {
    await listen(server, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new InstanceRunning((await runningInstance(name)) ?? null)
  }
  server.unref()
  return { release: () => new Promise(resolve => server.close(() => resolve())) }
}

/** The process that holds the lock, or undefined; null when it holds it and does not answer. */
export function runningInstance(name = NAME): Promise<number | null | undefined> {
  return new Promise(resolve => {
    const socket = connect(name)
    let text = ''
    socket.setTimeout(500, () => socket.destroy())
    socket.on('data', chunk => (text += chunk.toString()))
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(/^\d+$/.test(text) ? Number(text) : null))
  })
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
