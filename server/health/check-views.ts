/** Checks and their results as the API shows them: units in the names. */
import type { NamedResult } from './check-runner.js'
import type { CheckedServer } from './check-spec.js'
import type { CheckHistory, RunResult } from './run-result.js'

const runView = ({ durationMs, transcript, ...rest }: RunResult) => ({
  ...rest,
  durationMilliseconds: durationMs,
  transcript: transcript.map(({ atMs, ...step }) => ({ atMilliseconds: atMs, ...step })),
})

export const resultView = ({ check: name, result }: NamedResult) => ({ name, ...runView(result) })

export function historyViews({ checks }: CheckedServer, histories: readonly CheckHistory[]) {
  const kinds = new Map(checks.map(({ name, spec }) => [name, spec.kind]))
  return histories.map(({ name, state, since, contrary, runs, failures, last, lastFailures }) => ({
    ...{ name, kind: kinds.get(name), state, since },
    ...{ contraryResults: contrary, runs, failures },
    last: last && runView(last),
    lastFailures: lastFailures.map(runView),
  }))
}
