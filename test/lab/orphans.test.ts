// A laboratory whose process is killed outright is removed by the next one; one that was left on
// purpose, or whose process lives, is not.
import { existsSync, rmSync } from 'node:fs'
import t from 'tap'
import { Lab } from './lab.js'
import { removeNamespace } from './orphans.js'
import { LabProcess } from './process.js'
import { program } from './root.js'
import { must } from './run.js'

const env = { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' }

/** A process with a lab of its own, in which a program runs. */
async function hold(way: 'killed' | 'left'): Promise<{ holder: LabProcess; at: Place }> {
  const holder = new LabProcess([process.execPath, program('lab-holder'), way], { env })
  t.teardown(() => holder.stop('SIGKILL'))
  const [, text] = await holder.waitFor(/^(\{.*\})\n/m, 60_000)
  return { holder, at: JSON.parse(text!) as Place }
}

interface Place {
  namespace: string
  folder: string
}

const namespaces = async () => (await must(['ip', 'netns', 'list'])).split(/\s+/)
const programs = (name: string) => must(['ip', 'netns', 'pids', name])

t.test('of three labs only that of the killed process goes', async t => {
  const [alive, killed, left] = [await hold('killed'), await hold('killed'), await hold('left')]
  await killed.holder.stop('SIGKILL')
  await left.holder.exited
  const { namespace } = killed.at
  t.ok((await namespaces()).includes(namespace), 'nobody closed it')
  t.match(await programs(namespace), /^\d+\n$/, 'its program runs on')

  const lab = await Lab.open()
  const standing = await namespaces()
  t.notOk(standing.includes(namespace))
  t.notOk(existsSync(killed.at.folder))
  for (const { at } of [alive, left]) {
    t.ok(standing.includes(at.namespace), 'stands')
    t.match(await programs(at.namespace), /^\d+\n$/, 'and its program runs')
    t.ok(existsSync(at.folder))
  }
  t.strictSame(await lab.close(), [])

  await alive.holder.stop('SIGTERM')
  t.notOk((await namespaces()).includes(alive.at.namespace), 'SIGTERM lets it close by itself')
  await removeNamespace(left.at.namespace)
  rmSync(left.at.folder, { recursive: true })
})
