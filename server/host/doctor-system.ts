/** Checks of the process and of the tools and libraries it uses. */
import { createRequire } from 'node:module'
import type { Config } from '../config.js'
import { CommandError } from './command.js'
import type { Host } from './doctor.js'
import { fine, type Finding } from './finding.js'
import { ruleset } from './guard-ruleset.js'

/** Capability numbers, linux/capability.h. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const

/**
 * Without root, both capabilities must also be ambient: `ip` and `nft` are started as programs of
 * their own, which inherit nothing else.
 */
export function checkPrivileges({ read, uid }: Host): Finding[] {
  const status = read('/proc/self/status') ?? ''
  const sets = ['CapEff', ...(uid === 0 ? [] : ['CapAmb'])].map(name =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`),
  )
  const missing = Object.entries(CAPABILITIES)
    .filter(([, bit]) => sets.some(set => ((set >> BigInt(bit)) & 1n) === 0n))
    .map(([name]) => name)
  const check = 'privileges'
  if (missing.length === 0)
    return [fine(check, uid === 0 ? 'runs as root' : 'has CAP_NET_ADMIN and CAP_NET_RAW')]
  const message =
    uid === 0
      ? `runs as root without ${missing.join(' and ')}; the container or unit withholds them`
      : `needs root, or ${missing.join(' and ')} as ambient capabilities (systemd: AmbientCapabilities=)`
  const remedy =
    uid === 0 ? 'docker run --cap-add NET_ADMIN --cap-add NET_RAW …' : 'sudo sluice serve'
  return [{ check, severity: 'fatal', message, remedy }]
}

/** What is lost without each, linux/capability.h; a set of bits, since CAP_SYS_ADMIN was all once. */
const LESS: readonly { check: string; name: string; bits: readonly bigint[]; lost: string }[] = [
  {
    check: 'tunnels',
    name: 'CAP_BPF',
    bits: [39n, 21n],
    lost: 'tunnelled TCP is cut into segments here instead of by the interface: IPIP carries less',
  },
  {
    check: 'priority',
    name: 'CAP_SYS_NICE',
    bits: [23n],
    lost: 'the dataplane has no priority: on a busy machine packets wait for other programs',
  },
]

/** Capabilities without which Sluice runs, with less. */
export function checkLesserPrivileges({ read }: Host): Finding[] {
  const status = read('/proc/self/status') ?? ''
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return LESS.filter(({ bits }) => !bits.some(bit => ((effective >> bit) & 1n) === 1n)).map(
    ({ check, name, lost }): Finding => ({
      ...{ check, severity: 'hint', message: `without ${name}: ${lost}` },
      remedy: `AmbientCapabilities=${name} (systemd), --cap-add ${name.slice(4)} (docker)`,
    }),
  )
}

const HUGE_PAGES = '/sys/kernel/mm/transparent_hugepage/enabled'

/** The connection table asks for huge pages (madvise); a lookup that misses them takes longer. */
export function checkHugePages({ read }: Host): Finding {
  const chosen = /\[(\w+)\]/.exec(read(HUGE_PAGES) ?? '')?.[1]
  const check = 'huge pages'
  if (chosen === 'always' || chosen === 'madvise')
    return fine(check, `transparent huge pages are given (${chosen})`)
  const why = chosen === undefined ? 'this kernel has none' : 'they are switched off'
  return {
    ...{ check, severity: 'hint' },
    message: `no transparent huge pages, ${why}: large connection tables are slower`,
    remedy: chosen === undefined ? null : `echo madvise > ${HUGE_PAGES}`,
  }
}

/** Descriptors: a client of the API and a health check that runs take one each. */
const DESCRIPTORS_MIN = 4096

export function checkLimits({ read }: Host): Finding {
  const text = /^Max open files\s+(\d+|unlimited)/m.exec(read('/proc/self/limits') ?? '')?.[1]
  const check = 'limits'
  const open = text === 'unlimited' ? Infinity : Number(text ?? NaN)
  if (!(open < DESCRIPTORS_MIN)) return fine(check, `${text ?? 'an unknown number of'} open files`)
  return {
    ...{ check, severity: 'hint' },
    message: `only ${open} open files: API clients and health checks take one each`,
    remedy: `LimitNOFILE=65536 (systemd), ulimit -n 65536`,
  }
}

export async function checkTools({ run }: Pick<Host, 'run'>): Promise<Finding[]> {
  const ip = run('ip', ['-j', '-V']).then(
    text => fine('ip', firstLine(text)),
    (error: unknown) => toolFault('ip', 'iproute2', error),
  )
  // A dry run of our own table: also says whether this kernel has what the rules use.
  const nft = run('nft', ['--check', '-f', '-'], ruleset('drop', ['lo'], 1, [])).then(
    () => fine('nft', 'nftables takes the packet guard'),
    (error: unknown) => toolFault('nft', 'nftables', error),
  )
  return Promise.all([ip, nft])
}

function toolFault(tool: string, debianPackage: string, error: unknown): Finding {
  const missing = error instanceof CommandError && error.missing
  const detail = (error as Error).message
  const denied = /Operation not permitted/.test(detail)
  return {
    check: tool,
    severity: 'fatal',
    message: missing
      ? `${tool} is not installed`
      : denied
        ? `${tool} may not change the host: see privileges`
        : `${tool} does not work here: ${detail}`,
    remedy: missing ? `apt-get install ${debianPackage}` : denied ? null : 'modprobe nf_tables',
  }
}

export async function checkDriver(driver: Config['driver'], host: Host): Promise<Finding[]> {
  try {
    await host.openDriver(driver)
    return [fine('driver', `${driver} can be opened`)]
  } catch (error) {
    const detail = (error as Error).message
    const build = /Cannot find|MODULE_NOT_FOUND|ERR_DLOPEN|node-gyp|\.node/.test(detail)
    return [
      {
        check: 'driver',
        severity: 'fatal',
        message: `${driver} cannot be opened: ${detail.split('\n')[0]}`,
        remedy: build ? 'npm rebuild koffi raw-socket' : null,
      },
    ]
  }
}

const AF_PACKET = 17
const SOCK_RAW = 3

/** Opens and closes one socket of that driver, in this thread. */
export async function openDriver(driver: Config['driver']): Promise<void> {
  const require = createRequire(import.meta.url)
  if (driver === 'raw-socket') {
    const raw = require('raw-socket') as {
      createSocket(options: { protocol: number }): {
        on(event: 'error', listener: () => void): void
        close(): void
      }
    }
    const socket = raw.createSocket({ protocol: 255 })
    socket.on('error', () => undefined)
    socket.close()
    return
  }
  const { default: koffi } = await import('koffi')
  const libc = koffi.load('libc.so.6')
  const open = libc.func('int socket(int, int, int)') as (...args: number[]) => number
  const close = libc.func('int close(int)') as (descriptor: number) => number
  const descriptor = open(AF_PACKET, SOCK_RAW, 0)
  if (descriptor < 0) throw new Error(`socket AF_PACKET: ${errnoName(koffi.errno())}`)
  close(descriptor)
}

function errnoName(number: number): string {
  if (number === 1) return 'operation not permitted (CAP_NET_RAW)'
  if (number === 97) return 'this kernel has no packet sockets (CONFIG_PACKET); modprobe af_packet'
  return `errno ${number}`
}

const firstLine = (text: string) => text.trim().split('\n')[0] ?? ''
