import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import t from 'tap'
import { takePriority } from '../../dataplane/priority.js'

/** Nice values of this process's threads, by number of the thread (proc_pid_stat(5), field 19). */
const niceValues = () =>
  new Map(
    readdirSync('/proc/self/task').map(thread => {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1')
      return [Number(thread), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])]
    }),
  )

t.test('a thread is raised alone, less where it would leave no core to others', async t => {
  const before = niceValues()
  t.equal(takePriority(availableParallelism()), null)
  t.equal(niceValues().get(process.pid), -5)
  t.equal(takePriority(0), null)
  const after = niceValues()
  t.equal(after.get(process.pid), -15)
  for (const [thread, nice] of after)
    if (thread !== process.pid && before.has(thread)) t.equal(nice, before.get(thread))
})
