import t from 'tap'
import { InstanceRunning, lockInstance, runningInstance } from '../../../server/host/instance.js'

t.test('one at a time, and the second is told who the first is', async t => {
  const name = `\0sluice-test-${process.pid}`
  t.equal(await runningInstance(name), undefined)
  const lock = await lockInstance(name)
  t.equal(await runningInstance(name), process.pid)
  const second = lockInstance(name)
  await t.rejects(second, { pid: process.pid, message: new RegExp(`kill ${process.pid}`) })
  t.ok(await second.catch((error: unknown) => error instanceof InstanceRunning))
  await lock.release()
  await (await lockInstance(name)).release()
})
