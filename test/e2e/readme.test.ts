// The README's commands against a running appliance, in its order and with its words.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { parse } from 'yaml'
import { VIP } from '../lab/cast.js'
import { ROOT, SLUICE } from '../lab/root.js'
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

interface Task {
  name: string
  'ansible.builtin.uri': {
    url: string
    method: string
    headers: Record<string, string>
    body?: unknown
    body_format?: 'json'
    status_code: number | number[]
  }
}

/** As Ansible's module does: the body as JSON, and only these statuses are right. */
t.test('what Ansible would send, twice', async t => {
  const tasks = parse(blocks('yaml').find(text => text.includes('ansible.builtin.uri'))!) as Task[]
  const revisions: string[] = []
  for (const { name, 'ansible.builtin.uri': task } of [...tasks, ...tasks]) {
    const headers = Object.entries(task.headers).map(
      ([key, value]) => `-H "${key}: ${value.replace('{{ sluice_token }}', '$SLUICE_TOKEN')}"`,
    )
    const json = task.body_format === 'json' ? `--json '${JSON.stringify(task.body)}'` : ''
    const write = `-w '%{http_code} %header{config-revision}'`
    const { stdout } = await shell(
      `curl -sS -o body -X ${task.method} ${headers.join(' ')} ${json} ${write} '${task.url}'`,
    )
    const [status, revision = ''] = stdout.split(' ')
    t.ok([task.status_code].flat().includes(Number(status)), `${name}: ${stdout}`)
    revisions.push(revision)
  }
  t.strictSame(
    revisions.slice(tasks.length).filter(each => each !== ''),
    repeated(revisions, tasks),
  )
})

/** Once it is so, doing it again makes no revision. */
function repeated(revisions: readonly string[], tasks: readonly Task[]): string[] {
  const newest = String(Math.max(...revisions.slice(0, tasks.length).map(Number)))
  return revisions.slice(tasks.length).flatMap(each => (each === '' ? [] : [newest]))
}

t.test('the generated client: its types hold, and it does what it says', async t => {
  const [source] = blocks('ts')
  const file = join(ROOT, 'readme-client.ts')
  const read = ts.readConfigFile(join(ROOT, 'tsconfig.json'), path => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent(read.config, ts.sys, ROOT)
  const plain = ts.createCompilerHost(options)
  // The text stands where the README says, without being there.
  const host: ts.CompilerHost = {
    ...plain,
    fileExists: name => name === file || plain.fileExists(name),
    getSourceFile: (name, version, ...rest) =>
      name === file
        ? ts.createSourceFile(name, source!, version)
        : plain.getSourceFile(name, version, ...rest),
  }
  const program = ts.createProgram([file], { ...options, incremental: false, noEmit: true }, host)
  const faults = ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText)
  t.strictSame(faults, [])
  const { outputText } = ts.transpileModule(source!, {
    compilerOptions: { ...options, module: ts.ModuleKind.ESNext },
  })
  // Beside the compiled sources, from where packages are found.
  const script = join(ROOT, 'dist', `readme-client-${process.pid}.mjs`)
  writeFileSync(script, outputText)
  t.teardown(() => rmSync(script))
  const { stdout, stderr } = await shell(`'${process.execPath}' '${script}'`)
  t.equal(stdout, '5 5\n', stderr)
})

endStage(t, stage)
