/**
 * Every golden case is replayed, and each must do as it is listed: pass, or, where a feature is
 * still missing, fail. A case that starts to pass must leave the list.
 */
import { basename, join } from 'node:path'
import t from 'tap'
import { replay } from './replay.js'
import { findCases, hasPassed, reportLines } from './runner.js'

const ROOT = join(import.meta.dirname, 'kernel')
const SYNC = 'connection synchronisation'

/** Cases that need what is not there yet. */
const MISSING: Record<string, string> = {
  admin_errors: `${SYNC}: the daemon commands`,
  sync_backup: SYNC,
  sync_master_v0: SYNC,
  sync_master_v1: SYNC,
  sync_threshold: SYNC,
}
/** Lines shown of a case that fails. */
const SHOWN = 20

const cases = findCases([ROOT])
t.ok(cases.length >= 142, 'all cases are there')
for (const name of Object.keys(MISSING)) {
  t.ok(
    cases.some(path => basename(path, '.json') === name),
    `${name} is a case`,
  )
}
for (const path of cases) {
  const name = basename(path, '.json')
  const missing = MISSING[name]
  t.test(name, async t => {
    const result = await replay(path)
    if (missing !== undefined) {
      t.notOk(hasPassed(result), `does not pass for want of ${missing}`)
      const others = result.differences.filter(({ step }) => !/daemon|sync/.test(step))
      if (name === 'admin_errors') t.strictSame(others, [], 'nothing else differs')
    } else {
      t.strictSame(reportLines(result).slice(0, SHOWN), [])
    }
  })
}
