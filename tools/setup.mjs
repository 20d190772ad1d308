#!/usr/bin/env node
/**
 * Makes a clone ready for one purpose: `node tools/setup.mjs build|test|demo|bench`. Plain Node, no
 * dependencies, because it is what installs them. When nothing is missing it takes a fraction of a
 * second: what was done is remembered by hashes in node_modules/ and dist/.
 *
 * The baseline is Debian 12 with Node 20. On another system it does what it can and says what is
 * left to do by hand.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const NODE_LEAST = [20, 11]
const MODULES_STAMP = join(ROOT, 'node_modules', '.setup-stamp')
const BUILD_STAMP = join(ROOT, 'dist', '.setup-stamp')
/** What npm's install scripts compile; missing where they were not allowed to run. */
const NATIVE = [
  'better-sqlite3/build/Release/better_sqlite3.node',
  'raw-socket/build/Release/raw.node',
]
/** Folders whose TypeScript goes into dist/. */
const SOURCES = ['server', 'dataplane', 'cli', 'openapi', 'test']
const BUILD_FILES = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json']

/** A program, where it is known by a file, and the Debian package that brings it. */
const TOOLS = {
  make: { debian: 'build-essential' },
  'g++': { debian: 'build-essential' },
  python3: { debian: 'python3' },
  ip: { debian: 'iproute2' },
  nft: { debian: 'nftables' },
  sysctl: { debian: 'procps' },
  curl: { debian: 'curl' },
  ethtool: { debian: 'ethtool' },
  iperf3: { debian: 'iperf3' },
  tcpdump: { debian: 'tcpdump' },
  scapy: { debian: 'python3-scapy', file: '/usr/lib/python3/dist-packages/scapy/__init__.py' },
  ipvsadm: { debian: 'ipvsadm' },
  haproxy: { debian: 'haproxy' },
  nginx: { debian: 'nginx-light' },
  'nginx stream module': {
    debian: 'libnginx-mod-stream',
    file: '/usr/lib/nginx/modules/ngx_stream_module.so',
  },
  wrk: { debian: 'wrk' },
  vsftpd: { debian: 'vsftpd' },
  lftp: { debian: 'lftp' },
  keepalived: { debian: 'keepalived' },
  promtool: { debian: 'prometheus' },
  chromium: { debian: 'chromium' },
}

/** Native packages of npm are compiled where no prebuilt one fits. */
const COMPILER = ['make', 'g++', 'python3']
const HOST = ['ip', 'nft']
const LAB = [...HOST, 'sysctl', 'curl', 'ethtool', 'iperf3', 'tcpdump']
const PURPOSES = {
  build: { tools: [], root: false, build: true },
  test: {
    tools: [
      ...LAB,
      ...['scapy', 'vsftpd', 'lftp', 'keepalived'],
      ...['haproxy', 'nginx', 'promtool', 'chromium'],
    ],
    root: true,
    build: true,
  },
  demo: { tools: [...LAB, 'nginx'], root: true, build: true },
  bench: {
    tools: [...LAB, 'haproxy', 'nginx', 'nginx stream module', 'wrk'],
    root: true,
    build: true,
  },
}

main(process.argv[2])

function main(purpose) {
  const wanted = PURPOSES[purpose]
  if (!wanted) give(`usage: node tools/setup.mjs ${Object.keys(PURPOSES).join('|')}`)
  checkNode()
  if (wanted.root && process.geteuid?.() !== 0)
    give(
      `\`${purpose}\` makes network namespaces and needs root: run it again with sudo, or as root`,
    )
  const modules = modulesHash()
  const stale = !modulesAreRight(modules)
  installTools([...(stale ? COMPILER : []), ...wanted.tools])
  if (stale) installModules(modules)
  if (wanted.build) build()
}

function checkNode() {
  if (process.platform !== 'linux') give('Sluice runs on Linux only')
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1])) return
  give(
    `Node ${process.versions.node} is too old; Sluice needs ${NODE_LEAST.join('.')} or newer. ` +
      'See https://nodejs.org/en/download, or on Debian https://github.com/nodesource/distributions',
  )
}

// ---- Debian packages

function installTools(names) {
  const missing = names.filter(name => !isThere(name))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(name => TOOLS[name].debian))]
  const command = `apt-get install -qy -o Dpkg::Use-Pty=0 --no-install-recommends ${packages.join(' ')}`
  say(`missing: ${missing.join(', ')}`)
  if (!onPath('apt-get'))
    give(
      `install what brings ${missing.join(', ')} (Debian: ${packages.join(' ')}), then run this again`,
    )
  if (process.geteuid() !== 0) give(`as root: apt-get update && ${command}`)
  const quiet = withoutServices(() => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
    run('apt-get', ['update', '-q'], { env })
    const done = run('apt-get', command.split(' ').slice(1), { env })
    // Nor are they to start with the next boot.
    if (existsSync('/run/systemd/system'))
      for (const service of ['haproxy', 'nginx', 'vsftpd', 'keepalived', 'prometheus'])
        if (packages.some(name => name.startsWith(service))) run('systemctl', ['disable', service])
    return done
  })
  const left = names.filter(name => !isThere(name))
  if (!quiet || left.length > 0)
    give(
      `could not install ${packages.join(' ')}: is there a network, and a Debian mirror in ` +
        `/etc/apt? By hand: apt-get update && ${command}`,
    )
}

function isThere(name) {
  const { file } = TOOLS[name]
  return file === undefined ? onPath(name) : existsSync(file)
}

/**
 * haproxy, nginx, vsftpd and keepalived come with services that their packages start at once.
 * invoke-rc.d asks this file first; 101 means "not allowed" (Debian policy 9.3.3.1). One that is
 * there already belongs to somebody and is kept, with whatever it decides.
 */
function withoutServices(work) {
  const policy = '/usr/sbin/policy-rc.d'
  const ours = !existsSync(policy)
  const remove = () => ours && rmSync(policy, { force: true })
  if (ours) {
    writeFileSync(
      policy,
      '#!/bin/sh\n# Put here for a moment by Sluice: tools/setup.mjs.\nexit 101\n',
    )
    chmodSync(policy, 0o755)
  }
  process.once('SIGINT', () => {
    remove()
    process.exit(130)
  })
  try {
    return work()
  } finally {
    remove()
  }
}

// ---- npm packages

function modulesHash() {
  // Native packages are built for one Node ABI and one machine.
  const { arch, version, versions } = process
  return hash([
    read(join(ROOT, 'package-lock.json')),
    versions.modules,
    arch,
    version.split('.')[0],
  ])
}

/** Whether node_modules is what the lockfile says, installed by us or by somebody's own `npm ci`. */
function modulesAreRight(stamp) {
  if (NATIVE.some(name => !existsSync(join(ROOT, 'node_modules', name)))) return false
  if (existsSync(MODULES_STAMP)) return read(MODULES_STAMP) === stamp
  const installed = join(ROOT, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const there = JSON.parse(read(installed)).packages
  const wanted = Object.entries(JSON.parse(read(join(ROOT, 'package-lock.json'))).packages)
  const right = wanted.every(
    ([name, { version, optional }]) => name === '' || optional || there[name]?.version === version,
  )
  if (right) writeFileSync(MODULES_STAMP, stamp)
  return right
}

function installModules(stamp) {
  say('installing npm packages (npm ci)')
  const done = run('npm', ['ci', '--no-audit', '--no-fund'])
  if (!done)
    give(
      'npm ci failed; its message is above. It needs the npm registry (npm config get registry) ' +
        'and, for native packages, make, g++ and python3',
    )
  writeFileSync(MODULES_STAMP, stamp)
}

// ---- TypeScript

function build() {
  const stamp = sourcesHash()
  if (existsSync(BUILD_STAMP) && read(BUILD_STAMP) === stamp) return
  say('compiling TypeScript')
  rmSync(BUILD_STAMP, { force: true })
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const done = run(process.execPath, [tsc, '-p', 'tsconfig.build.json'])
  if (!done) give('the sources do not compile; the faults are above')
  const command = join(ROOT, 'dist', 'cli', 'sluice.js')
  if (existsSync(command)) chmodSync(command, 0o755)
  writeFileSync(BUILD_STAMP, stamp)
}

/** Names, sizes and times, not contents: a thousand files in a few milliseconds. */
function sourcesHash() {
  const lines = []
  for (const folder of SOURCES) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true }).sort()) {
      if (!name.endsWith('.ts')) continue
      const { size, mtimeMs } = statSync(join(ROOT, folder, name))
      lines.push(`${folder}/${name} ${size} ${mtimeMs}`)
    }
  }
  return hash([...lines, ...BUILD_FILES.map(name => read(join(ROOT, name)))])
}

// ---- small things

function onPath(program) {
  const folders = `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`.split(delimiter)
  return folders.some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Its output goes to standard error: standard output belongs to the command that follows. */
function run(program, args, { env = process.env } = {}) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, env, stdio: ['ignore', 2, 2] })
  return !error && status === 0
}

function hash(parts) {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(`${part}\n`)
  return sum.digest('hex')
}

function read(file) {
  return readFileSync(file, 'utf8')
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}

function give(text) {
  say(text)
  process.exit(1)
}
