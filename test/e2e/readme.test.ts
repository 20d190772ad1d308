// The README's commands against a running appliance, in its order and with its words.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { parse } from 'yaml'
import { checkFile } from '../fixtures/promtool.js'
import { scapy } from '../fixtures/scapy.js'
import { serverAddress, VIP } from '../lab/cast.js'
import { ROOT, SLUICE } from '../lab/root.js'
import type { Output } from '../lab/run.js'
import { Sluice } from '../lab/sluice.js'
import { blocks, indentedLines, matches, steps, type Block } from './readme-console.js'
import { endStage, setStage } from './stage.js'

const start = (lab: Parameters<typeof Sluice.start>[0], host: Parameters<typeof Sluice.start>[1]) =>
  Sluice.start(lab, host, { auth: true })
const stage = await setStage(t, start)
const { lab, topology } = stage
const { director, client } = topology

// A shell whose variables and functions last from one block to the next.
const BIN = join(lab.folder, 'bin')
const PROLOGUE = `unset NODE_OPTIONS NODE_V8_COVERAGE
cd '${lab.folder}'
PATH='${BIN}':$PATH
shopt -s expand_aliases
sudo() { command "$@"; }
[ ! -f env ] || . ./env
set -a
`
function shell(command: string, before = ''): Promise<Output> {
  const after = 'status=$?\n{ export -p; declare -f; } >env\nexit $status\n'
  return director.run(['bash', '-c', `${PROLOGUE}${before}${command}\n${after}`])
}

/** Puts programs where the README's commands find them; curl fails there when a request does. */
async function provide(): Promise<void> {
  const programs = {
    sluice: `exec '${process.execPath}' '${SLUICE}' "$@"`,
    npx: 'exec "$@"',
    // What the kernel's rules would be: they are not in the lab.
    'ipvsadm-save': 'exec cat rules',
    curl: 'exec /usr/bin/curl ${FAIL:+--fail-with-body} "$@"',
  }
  mkdirSync(BIN)
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(BIN, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 })
  }
  const ca = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'
  await director.must(
    `${ca} -subj /CN=Ours -keyout /dev/null -out ${lab.folder}/our-ca.pem`.split(' '),
  )
}

const REMARKS = new Map<string, () => Promise<unknown>>([
  ['a client connects', () => client.must(['curl', '-sS', `http://${VIP.ipv4}/`])],
  [
    'on an appliance without configuration',
    async () => {
      await stage.director.stop()
      for (const end of ['', '-wal', '-shm']) {
        rmSync(`${stage.director.database}${end}`, { force: true })
      }
      return stage.director.start()
    },
  ],
  [
    'twelve clients connect',
    () => {
      const connect = `exec {c}<>/dev/tcp/${VIP.ipv4}/80`
      const script = `for i in {1..12}; do ${connect}; done; echo connected; read -r`
      return client.start(['bash', '-c', script]).waitFor(/^connected$/m, 10_000)
    },
  ],
])

// Blocks that are text here: how they begin, and why nothing runs them.
const TEXT: ReadonlyMap<string, string> = new Map([
  ['git clone', 'downloads, and the demo builds a lab of its own'],
  ['npm run setup', 'installs packages; the lab has started "serve" already'],
  ['sudo npx sluice serve --listen 0.0.0.0:7443', "wants a site's certificates"],
  ["curl -N -H 'accept: text/event-stream'", 'does not end'],
  ['npx sluice get servers web -o wide --watch', 'does not end'],
])

/** Two clients of a service of two servers and of one without, and what `sluice replay` is told. */
function record(): void {
  const service = { protocol: 'tcp', address: VIP.ipv4, port: 80, scheduler: 'wrr' }
  const realServers = Object.fromEntries(
    (['a', 'b'] as const).map((name, index) => [
      name,
      { address: serverAddress(name, 'ipv4'), port: 8080, weight: index + 1 },
    ]),
  )
  const empty = { ...service, address: '198.51.100.11' }
  writeFileSync(
    join(lab.folder, 'sluice.json'),
    JSON.stringify({ virtualServices: { web: { ...service, realServers }, empty } }),
  )
  scapy(
    `
def syn(port, to, at):
    p = Ether(src='02:00:00:00:00:c1') / IP(src='192.0.2.9', dst=to) / TCP(sport=port, dport=80, seq=100)
    p.time = 1700000000 + at
    return p
wrpcap(given + '/client.pcap', [syn(40000, '198.51.100.10', 0), syn(40001, '198.51.100.11', 2.5)])
answer(None)
`,
    lab.folder,
  )
}

/** Plays consoles and scripts in their order. */
async function play(t: Test, scenes: readonly Block[]): Promise<void> {
  for (const { language, content } of scenes) {
    if (language === 'console') await playConsole(t, content)
    if (language === 'sh') await playScript(t, content)
  }
}

async function playConsole(t: Test, content: string): Promise<void> {
  for (const { command, remark, shown } of steps(content, new Set(REMARKS.keys()))) {
    if (remark !== null) await REMARKS.get(remark)!()
    if (command === null) continue
    const { stdout, stderr } = await shell(command)
    const isShown = matches(shown, stdout) || matches(shown, stdout + stderr)
    t.ok(isShown, `$ ${command}${isShown ? '' : `\n${stdout}\n${stderr}\n--- shown ---\n${shown}`}`)
  }
}

/** Every command has to succeed, and every request of curl's. */
async function playScript(t: Test, content: string): Promise<void> {
  const { code, stdout, stderr } = await shell(content, 'set -eo pipefail\nFAIL=yes\n')
  t.equal(code, 0, `${content}${code === 0 ? '' : `${stdout}\n${stderr}`}`)
}

const ALL = blocks()
const ANSIBLE = ALL.findIndex(({ content }) => content.includes('ansible.builtin.uri'))
const CLIENT = ALL.findIndex(({ language }) => language === 'ts')

t.test('every block is played, or it is said why not', t => {
  t.strictSame(indentedLines(), [], 'code stands between fences')
  const others = ALL.filter(({ language }) => !['console', 'sh', 'yaml', 'ts'].includes(language))
  t.strictSame(
    others.filter(({ language }) => language !== 'text'),
    [],
  )
  t.equal(others.length, TEXT.size)
  for (const [beginning, reason] of TEXT) {
    t.ok(
      others.some(({ content }) => content.startsWith(beginning)),
      `${beginning}: ${reason}`,
    )
  }
  t.strictSame([count('yaml'), count('ts')], [3, 1], 'each of them has a test of its own')
  t.end()
})

function count(kind: string): number {
  return ALL.filter(({ language }) => language === kind).length
}

t.test('from the first service to the life of a configuration', async t => {
  await provide()
  writeFileSync(
    join(lab.folder, 'web.yaml'),
    ALL.find(({ content }) => content.startsWith('virtualServices:'))!.content,
  )
  await play(t, ALL.slice(0, ANSIBLE))
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
  const tasks = parse(ALL[ANSIBLE]!.content) as Task[]
  const revisions: string[] = []
  for (const { name, 'ansible.builtin.uri': task } of [...tasks, ...tasks]) {
    const headers = Object.entries(task.headers).map(
      ([key, value]) => `-H "${key}: ${value.replace('{{ sluice_token }}', '$SLUICE_TOKEN')}"`,
    )
    const json = task.body_format === 'json' ? `--json '${JSON.stringify(task.body)}'` : ''
    const write = `-w '%{http_code} %header{config-revision}'`
    const { stdout } = await shell(
      `command curl -sS -o body -X ${task.method} ${headers.join(' ')} ${json} ${write} '${task.url}'`,
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
  const source = ALL[CLIENT]!.content
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
        ? ts.createSourceFile(name, source, version)
        : plain.getSourceFile(name, version, ...rest),
  }
  const program = ts.createProgram([file], { ...options, incremental: false, noEmit: true }, host)
  const faults = ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText)
  t.strictSame(faults, [])
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { ...options, module: ts.ModuleKind.ESNext },
  })
  // Beside the compiled sources, from where packages are found.
  const script = join(ROOT, 'dist', `readme-client-${process.pid}.mjs`)
  writeFileSync(script, outputText)
  t.teardown(() => rmSync(script))
  const { stdout, stderr } = await shell(`'${process.execPath}' '${script}'`)
  t.equal(stdout, '5 5\n', stderr)
})

t.test('the rest: drains, health checks, policies, webhooks, metrics, ipvsadm, replay', t => {
  record()
  return play(t, ALL.slice(CLIENT))
})

t.test('what Prometheus is told', t => {
  const configuration = ALL.find(({ content }) => content.startsWith('scrape_configs:'))!.content
  t.match(checkFile(['check', 'config', '--syntax-only'], configuration), /SUCCESS/)
  t.end()
})

endStage(t, stage)
