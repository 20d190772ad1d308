// The house rules that a machine can check. Everything here fails the build.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t, { type Test } from 'tap'
import { ROOT } from './lab/root.js'

/** Who may import whom: files under the first path import only paths that the pattern allows. */
const LAYERS: readonly (readonly [from: string, allowed: RegExp])[] = [
  ['dataplane/wire/', /^dataplane\/wire\//],
  ['dataplane/sys/', /^dataplane\/sys\//],
  ['dataplane/shared/', /^dataplane\/(shared\/|wire\/|(counters|limits|protocol)\.js)/],
  [
    'dataplane/driver/',
    /^dataplane\/(driver\/|sys\/|wire\/|shared\/|(clock|counters|limits|packet|protocol)\.js)/,
  ],
  [
    'dataplane/net/',
    /^dataplane\/(net\/|sys\/|wire\/|driver\/driver\.js|(clock|counters|limits|packet|protocol)\.js)/,
  ],
  // Neither a real driver nor rtnetlink nor the loop: those are arguments.
  [
    'dataplane/ipvs/',
    /^dataplane\/(ipvs\/|wire\/|shared\/|(net\/network|driver\/driver|[a-z-]+)\.js)/,
  ],
  ['dataplane/', /^dataplane\//],
  [
    'server/schemas/',
    /^(server\/(schemas\/|auth\/(scope|actor)\.js|documents\/findings\.js|[a-z-]+\.js)|dataplane\/(protocol|counters)\.js)/,
  ],
  [
    'server/repo/',
    /^(server\/(repo\/|schemas\/|auth\/(scope|actor)\.js|documents\/|change\/(commit|writer)\.js|[a-z-]+\.js)|dataplane\/protocol\.js)/,
  ],
  // A route translates: it never reaches past the control to the database or the dataplane.
  [
    'server/routes/',
    /^(server\/(routes|schemas|auth|journal|metrics|http|live|documents|change|control)\/|server\/[a-z-]+\.js|dataplane\/protocol\.js)/,
  ],
  // From text to documents and back; nothing that reads, stores or answers.
  [
    'server/exchange/',
    /^(server\/(exchange\/|ipvsadm\/|schemas\/|repo\/records|documents\/(documents|service-key)\.js|(errors|ip-address|nearest)\.js)|dataplane\/(limits|wire\/address)\.js)/,
  ],
  [
    'server/',
    /^(server\/|dataplane\/(shared\/|(protocol|limits|counters|slots|wire\/(address|crc32c))\.js))/,
  ],
  // A replay runs the engine in the command's own process.
  ['cli/replay/', /^(cli|server|dataplane)\//],
  ['cli/', /^(cli\/|openapi\/client\/|server\/|dataplane\/(protocol|wire\/[a-z-]+)\.js)/],
  ['test/', /^(test|server|dataplane|cli|openapi)\//],
]

/** Folders whose index.ts is a table of things that must not know each other. */
const REGISTRIES = ['dataplane/ipvs/sched/', 'dataplane/ipvs/proto/', 'dataplane/ipvs/xmit/']
const DRIVERS = ['packet-ring', 'raw-socket', 'loopback', 'pcap']

/** Lines of a file: above this it holds more than one noun. Tests and tables may be longer. */
const LINES_MAX = 400
const TEST_LINES_MAX = 700

const FOLDERS = ['server', 'dataplane', 'cli', 'test', 'tools', 'migrations', '.ci']
const PAGES = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'package.json']

// Written so that this file does not contain what it looks for.
const FORBIDDEN: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a path of one machine', /\/wor[k]\/|\/hom[e]\/|\/roo[t]\/|\/Use[r]s\//],
  [
    'a switched-off check',
    /eslint-disabl[e]|@ts-(ignor[e]|nochec[k]|expect-erro[r])|prettier-ignore-star[t]/,
  ],
  ['work to do without an issue number', /\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b(?!\(#\d+\))/],
]
const FORBIDDEN_IN_CODE: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['what type stripping cannot do', /^\s*(export )?(const enu[m]|enu[m]|namespac[e]) \w+/m],
]
const FORBIDDEN_IN_DATAPLANE: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['Buffer.read and write', /\.(read|write)(Big)?U?Int\d*(BE|LE)\(/],
  ['host environment', /process\.env\b/],
]
const FORBIDDEN_IN_TESTS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a sleep', /timers\/promise[s]|await new Promise\(\(?\w+\)? => setTimeou[t]/],
  ['a test that does not run', /\bt\.(ski[p]|tod[o])\(|\b(ski[p]|tod[o]|onl[y]): true|\.onl[y]\(/],
]

const files = FOLDERS.flatMap(list).sort()
const sources = files.filter(file => file.endsWith('.ts'))
const imports = new Map(sources.map(file => [file, importsOf(file)]))

t.test('imports point one way', async t => {
  for (const [file, targets] of imports) {
    const layer = LAYERS.find(([from]) => file.startsWith(from))
    const wrong = targets.filter(target => !layer || !layer[1].test(target))
    if (wrong.length > 0) t.fail(`${file} imports ${wrong.join(', ')}`)
  }
  t.ok(imports.size > 0, `${imports.size} files`)
})

t.test('what a registry lists does not know its siblings', async t => {
  for (const folder of REGISTRIES) {
    const registry = `${folder}index.ts`
    if (!imports.has(registry)) continue
    const members = valueImportsOf(registry).filter(isIn(folder)).map(sourceOf)
    for (const member of members) meets(t, member, members)
  }
  const drivers = DRIVERS.map(name => `dataplane/driver/${name}.ts`)
  for (const driver of drivers) meets(t, driver, drivers)
})

t.test('imports form no circle', async t => {
  for (const circle of circles()) t.fail(circle.join(' -> '))
})

t.test('one noun a file', async t => {
  for (const file of sources) {
    const lines = read(file).split('\n').length - 1
    const most = file.startsWith('test/') ? TEST_LINES_MAX : LINES_MAX
    if (lines > most) t.fail(`${file} has ${lines} lines, more than ${most}`)
    if (!/^[a-z0-9-]+(\.test)?\.ts$/.test(file.split('/').at(-1)!)) t.fail(`${file}: kebab-case`)
  }
})

t.test('nothing forbidden', async t => {
  for (const file of [...files, ...PAGES]) forbid(t, file, FORBIDDEN)
  for (const file of sources) forbid(t, file, FORBIDDEN_IN_CODE)
  for (const file of sources.filter(isIn('dataplane/'))) forbid(t, file, FORBIDDEN_IN_DATAPLANE)
  for (const file of sources.filter(isIn('test/'))) forbid(t, file, FORBIDDEN_IN_TESTS)
})

function forbid(t: Test, file: string, rules: typeof FORBIDDEN): void {
  const lines = read(file).split('\n')
  for (const [what, pattern] of rules) {
    const at = lines.findIndex(line => pattern.test(line))
    if (at >= 0) t.fail(`${file}:${at + 1}: ${what}: ${lines[at]!.trim()}`)
  }
}

function meets(t: Test, member: string, members: readonly string[]): void {
  const met = (imports.get(member) ?? []).map(sourceOf).filter(one => members.includes(one))
  if (met.length > 0) t.fail(`${member} imports its sibling ${met.join(', ')}`)
}

/** Circles of imports that remain at run time; types may refer to each other. */
function circles(): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file])
    if (path.includes(file) || done.has(file)) return
    for (const target of valueImportsOf(file)) visit(sourceOf(target), [...path, file])
    done.add(file)
  }
  for (const file of sources) visit(file, [])
  return found
}

function importsOf(file: string): string[] {
  const specifiers = read(file).matchAll(/(?:from|import) '(\.[^']+)'|import\('(\.[^']+)'\)/g)
  return [...specifiers].map(([, a, b]) => normalize(join(dirname(file), a ?? b!)))
}

function valueImportsOf(file: string): string[] {
  const statements = read(file).matchAll(/^(?:import|export) (?!type\b)[^']*?from '(\.[^']+)'/gm)
  return [...statements].map(([, specifier]) => normalize(join(dirname(file), specifier!)))
}

const sourceOf = (target: string) => target.replace(/\.js$/, '.ts')

function isIn(folder: string): (file: string) => boolean {
  return file => file.startsWith(folder)
}

function list(folder: string): string[] {
  const text = /\.(ts|mjs|js|sql|md|json)$|\/run$/
  const entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .filter(file => text.test(file))
}

function read(file: string): string {
  try {
    return readFileSync(join(ROOT, file), 'utf8')
  } catch {
    return ''
  }
}
