// Every operation's example, sent to a running appliance; what comes back is what the document says.
import t, { type Test } from 'tap'
import { errorsOf } from './published.js'
import { mediaTypes, shown, Stage, type Answered, type Shown } from './replay.js'

/** What has to have happened before; may name parameters that no document can know beforehand. */
const BEFORE: Readonly<Record<string, (stage: Stage) => Promise<Record<string, string>>>> = {
  getWebhook: withWebhook,
  deleteWebhook: withWebhook,
  createWebhookTest: withWebhook,
  getToken: withToken,
  deleteToken: withToken,
  getOperation: withOperation,
  confirmOperation: withOperation,
  cancelOperation: withOperation,
  deleteOperation: withOperation,
  getMaintenance: withMaintenance,
  deleteMaintenance: withMaintenance,
  getDrain: withDrain,
  deleteDrain: withDrain,
  listRealServerChecks: withChecks,
  createRealServerCheckRun: withChecks,
  putRealServerCheckState: withChecks,
}

async function withDrain(stage: Stage) {
  await stage.must('putDrain')
  return {}
}

async function withMaintenance(stage: Stage) {
  await stage.must('putMaintenance')
  return {}
}

async function withWebhook(stage: Stage) {
  await stage.addWebhook()
  return {}
}

async function withChecks(stage: Stage) {
  await stage.checkServer()
  return {}
}

async function withOperation(stage: Stage) {
  const apply = shown.find(({ operationId }) => operationId === 'applyChangeset')!
  const begun = await stage.play({ ...apply, path: `${apply.path}?confirmWithinSeconds=60` })
  const { id } = JSON.parse(begun.text) as { id: string }
  return { id }
}

async function withToken(stage: Stage) {
  const { name } = JSON.parse((await stage.must('createToken')).text) as { name: string }
  return { name }
}

t.test('every example works, and its answer is as described', async t => {
  for (const operation of shown) {
    const types = mediaTypes(operation)
    for (const type of types.length === 0 ? [undefined] : types) {
      const stage = await Stage.open()
      try {
        const changed = (await BEFORE[operation.operationId]?.(stage)) ?? {}
        const answer = await stage.play(operation, type, changed)
        const what = `${operation.operationId}${type === undefined ? '' : ` (${type})`}`
        t.ok(answer.status >= 200 && answer.status < 300, `${what}: ${answer.status}`, { answer })
        checkAnswer(t, operation, answer, what)
      } finally {
        await stage.close()
      }
    }
  }
})

t.test('what is not there is answered as described', async t => {
  const stage = await Stage.open()
  t.teardown(() => stage.close())
  // What PUT creates would be there afterwards.
  const isPut = ({ method }: Shown) => method === 'PUT'
  for (const operation of [...shown].sort((a, b) => +isPut(a) - +isPut(b))) {
    const [name] = (operation.parameters ?? []).filter(each => each.in === 'path')
    if (name === undefined) continue
    const answer = await stage.play(operation, undefined, { [name.name]: 'never-was-there' })
    const made = isPut(operation) && answer.status === 201
    t.ok(made || answer.status >= 400, `${operation.operationId}: ${answer.status}`)
    checkAnswer(t, operation, answer, operation.operationId)
  }
})

t.test('a parameter that is not there is refused everywhere', async t => {
  const stage = await Stage.open()
  t.teardown(() => stage.close())
  for (const operation of shown) {
    const path = `${operation.path}?colour=red`
    const answer = await stage.play({ ...operation, path })
    // What explains a code has no parameters to speak of.
    if (operation.operationId === 'getProblem') continue
    t.equal(answer.status, 400, operation.operationId)
    checkAnswer(t, operation, answer, operation.operationId)
  }
})

function checkAnswer(t: Test, { responses }: Shown, answer: Answered, what: string): void {
  const described = responses[String(answer.status)]
  if (!described) return void t.fail(`${what} does not say that it may answer ${answer.status}`)
  if (described.content === undefined) return void t.equal(answer.text, '', what)
  const type = answer.headers.get('content-type')?.split(';')[0] ?? ''
  const media = described.content[type]
  if (!media) return void t.fail(`${what} does not say that it may answer ${type}`)
  if (!type.endsWith('json')) return
  t.strictSame(errorsOf(media.schema!, JSON.parse(answer.text)), [], `${what} ${answer.status}`)
}
