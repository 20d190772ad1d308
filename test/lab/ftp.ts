/** A real FTP server, vsftpd, and the two clients that people use: curl and lftp. */
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inUrl } from './cast.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import { payload, sha256 } from './payload.js'
import type { LabProcess } from './process.js'
import { must, type Output } from './run.js'

export const FTP_PORT = 21
/** What there is to fetch, and how many octets it has. */
export const FILES = { small: 100, large: 3_000_000 } as const
export type FileName = keyof typeof FILES

export const hashOf = (name: FileName): string => sha256(payload(name, FILES[name]))

export class FtpServer {
  readonly #root: string
  readonly process: LabProcess

  private constructor(root: string, process: LabProcess) {
    this.#root = root
    this.process = process
  }

  /** Serves the files to anybody, and takes what anybody puts into `in`. */
  static async start(lab: Lab, host: Namespace): Promise<FtpServer> {
    const root = join(lab.folder, 'ftp')
    const empty = join(lab.folder, 'empty')
    // The server gives up its rights before it looks.
    chmodSync(lab.folder, 0o755)
    for (const folder of [root, empty, join(root, 'in')]) mkdirSync(folder, { mode: 0o755 })
    const [uid, gid] = (await must(['getent', 'passwd', 'ftp'])).split(':').slice(2, 4).map(Number)
    chownSync(join(root, 'in'), uid!, gid!)
    for (const [name, octets] of Object.entries(FILES))
      writeFileSync(join(root, name), payload(name, octets), { mode: 0o644 })
    const configuration = join(lab.folder, 'vsftpd.conf')
    const lines = Object.entries(SETTINGS).map(([key, value]) => `${key}=${value}`)
    lines.push(`anon_root=${root}`, `secure_chroot_dir=${empty}`)
    writeFileSync(configuration, `${lines.join('\n')}\n`)
    const process = host.start(['vsftpd', configuration], { name: 'vsftpd' })
    // It does not say when it listens.
    await host.must(['curl', '-sS', ...RETRY, '-o', '/dev/null', 'ftp://127.0.0.1/'])
    return new FtpServer(root, process)
  }

  /** The hash of a file that somebody has put, which is taken away. */
  takeUpload(name: string): string {
    const file = join(this.#root, 'in', name)
    try {
      return sha256(readFileSync(file))
    } finally {
      rmSync(file, { force: true })
    }
  }
}

const SETTINGS = {
  listen: 'NO',
  listen_ipv6: 'YES',
  background: 'NO',
  anonymous_enable: 'YES',
  local_enable: 'NO',
  write_enable: 'YES',
  anon_upload_enable: 'YES',
  no_anon_password: 'YES',
  connect_from_port_20: 'YES',
  port_enable: 'YES',
  pasv_enable: 'YES',
  seccomp_sandbox: 'NO',
} as const

/** curl's words for how the data connection is made. */
export const MODES = {
  // curl would rather not believe the address in a 227.
  PASV: ['--disable-epsv', '--no-ftp-skip-pasv-ip'],
  EPSV: [],
  PORT: ['--ftp-port', '-', '--disable-eprt'],
  EPRT: ['--ftp-port', '-'],
} as const
export type Mode = keyof typeof MODES

const RETRY = ['--retry', '10', '--retry-delay', '1', '--retry-connrefused']
const CURL = ['curl', '-sS', '-g', '-v', '--connect-timeout', '5', '-m', '40']

/** Fetches a file; its hash, and what curl and the server said to each other. */
export async function fetchFile(
  lab: Lab,
  client: Namespace,
  address: string,
  order: { mode: Mode; name: FileName; port?: number; source?: string },
): Promise<{ exit: number; sha256: string; dialogue: string }> {
  const { mode, name, port = FTP_PORT, source } = order
  const from = source === undefined ? [] : ['--interface', source]
  const file = join(lab.folder, 'fetched')
  const url = `ftp://${inUrl(address)}:${port}/${name}`
  const command = [...CURL, ...from, ...MODES[mode], '-o', file, url]
  const { code, stderr } = await client.run(command)
  return { exit: code, sha256: take(file), dialogue: stderr }
}

/** Puts a file into the server's `in`. */
export async function putFile(
  lab: Lab,
  client: Namespace,
  address: string,
  { mode, name, octets }: { mode: Mode; name: string; octets: number },
): Promise<Output> {
  const file = join(lab.folder, 'put')
  writeFileSync(file, payload(name, octets))
  const url = `ftp://${inUrl(address)}/in/${name}`
  return client.run([...CURL, ...MODES[mode], '-T', file, url])
}

/** An lftp that is told what to do line by line: one control connection for many transfers. */
export class LftpSession {
  readonly process: LabProcess
  readonly #folder: string
  #asked = 0

  constructor(lab: Lab, client: Namespace, address: string, settings: Record<string, string>) {
    this.#folder = lab.folder
    const set = Object.entries({ ...LFTP, ...settings }).map(
      ([key, value]) => `set ${key} ${value}`,
    )
    const open = `open ftp://${inUrl(address)}`
    // It reads commands from standard input and prints what the server says.
    this.process = client.start(['lftp', '--norc', '-e', [...set, open].join('; ')], {
      name: 'lftp',
      env: { HOME: lab.folder },
    })
  }

  /** Fetches a file over the control connection that there is; its hash. */
  async fetch(name: FileName): Promise<string> {
    const file = join(this.#folder, `lftp-${++this.#asked}`)
    this.process.tell(`get ${name} -o ${file}`)
    this.process.tell(`echo done ${this.#asked}.`)
    await this.process.waitFor(new RegExp(`done ${this.#asked}\\.`), 30_000)
    return take(file)
  }

  async end(): Promise<number> {
    this.process.tell('exit')
    return await this.process.exited
  }
}

const LFTP = {
  'net:max-retries': '1',
  'net:timeout': '15',
  'net:reconnect-interval-base': '1',
  'ftp:prefer-epsv': 'no',
  'ftp:use-mdtm': 'no',
  'cmd:interactive': 'no',
}

function take(file: string): string {
  try {
    return sha256(readFileSync(file))
  } catch {
    return ''
  } finally {
    rmSync(file, { force: true })
  }
}
