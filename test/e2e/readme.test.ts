// The README's commands against a running appliance, in its order and with its words.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { VIP } from '../lab/cast.js'
import { SLUICE } from '../lab/root.js'
import type { Output } from '../lab/run.js'
import { Sluice } from '../lab/sluice.js'
import { blocks, matches, steps } from './readme-console.js'
import { endStage, setStage } from './stage.js'

const start = (lab: Parameters<typeof Sluice.start>[0], host: Parameters<typeof Sluice.start>[1]) =>
  Sluice.start(lab, host, { auth: true })
const stage = await setStage(t, start)
const { lab, topology } = stage
const { director, client } = topology

// A shell whose variables last from one command to the next.
const PROLOGUE = `unset NODE_OPTIONS NODE_V8_COVERAGE
cd '${lab.folder}'
sluice() { '${process.execPath}' '${SLUICE}' "$@"; }
[ ! -f env ] || . ./env
`
function shell(command: string): Promise<Output> {
  const script = `${PROLOGUE}${command}\nstatus=$?\nexport -p >env\nexit $status\n`
  return director.run(['bash', '-c', script])
}

const REMARKS: Readonly<Record<string, () => Promise<unknown>>> = {
  'twelve clients connect': () => {
    const connect = `exec {c}<>/dev/tcp/${VIP.ipv4}/80`
    const script = `for i in {1..12}; do ${connect}; done; echo connected; read -r`
    return client.start(['bash', '-c', script]).waitFor(/^connected$/m, 10_000)
  },
}

t.test('the life of a configuration', async t => {
  writeFileSync(join(lab.folder, 'web.yaml'), blocks('yaml')[0]!)
  const played = blocks('console').flatMap(steps)
  t.ok(played.length > 10, `${played.length} steps`)
  for (const { command, remark, shown } of played) {
    if (remark !== null) await REMARKS[remark]!()
    if (command === null) continue
    const { stdout, stderr } = await shell(command)
    const isShown = matches(shown, stdout)
    t.ok(isShown, `$ ${command}${isShown ? '' : `\n${stdout}\n${stderr}\n--- shown ---\n${shown}`}`)
  }
})

endStage(t, stage)
