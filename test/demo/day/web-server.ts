/** nginx on one real server: deployed in versions, stopped, killed, hung. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../lab/lab.js'
import type { Namespace } from '../../lab/namespace.js'
import type { LabProcess } from '../../lab/process.js'
import { HTTP_PORT } from '../../lab/real-server.js'

export const DOWNLOAD_OCTETS = 1_000_000
/** Slow enough to be under way when something happens. */
const DOWNLOAD_OCTETS_PER_S = 500_000

export class WebServer {
  readonly name: string
  readonly #lab: Lab
  readonly #host: Namespace
  #nginx: LabProcess | null = null

  constructor(lab: Lab, host: Namespace) {
    this.#lab = lab
    this.#host = host
    this.name = host.role
  }

  /** It accepts on return. */
  async deploy(version: string): Promise<void> {
    const { folder } = this.#lab
    const config = join(folder, `web-${this.name}-${version}.conf`)
    const download = join(folder, 'download')
    // All servers send this one file: written anew, it would be cut short under who is reading it.
    if (!existsSync(download)) writeFileSync(download, Buffer.alloc(DOWNLOAD_OCTETS, 'sluice '))
    writeFileSync(config, configOf(folder, this.name, version))
    const command = ['nginx', '-p', folder, '-c', config, '-e', 'stderr']
    this.#nginx = this.#host.start(command, { name: `nginx on ${this.name}` })
    await this.#nginx.waitFor(/start worker process \d+/)
  }

  /** As an init script stops it: what is being answered is answered. */
  async stop(): Promise<void> {
    await this.#nginx?.stop('SIGQUIT', 10_000)
  }

  async kill(): Promise<void> {
    await this.#each('SIGKILL')
    await this.#nginx?.exited
  }

  /** It stays connected and says nothing any more. */
  hang(): Promise<void> {
    return this.#each('SIGSTOP')
  }

  resume(): Promise<void> {
    return this.#each('SIGCONT')
  }

  /** The master and its worker, so by the namespace, which is theirs alone. */
  async #each(signal: NodeJS.Signals): Promise<void> {
    const pids = await this.#host.must(['ip', 'netns', 'pids', this.#host.name])
    for (const pid of pids.split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), signal)
      } catch {
        // The worker went with its master.
      }
    }
  }
}

const configOf = (folder: string, name: string, version: string) => `daemon off;
pid ${folder}/web-${name}.pid;
user root;
error_log stderr notice;
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body-${name};
  proxy_temp_path ${folder}/proxy-${name};
  fastcgi_temp_path ${folder}/fastcgi-${name};
  uwsgi_temp_path ${folder}/uwsgi-${name};
  scgi_temp_path ${folder}/scgi-${name};
  add_header X-Server ${name} always;
  add_header X-Version ${version} always;
  server {
    listen [::]:${HTTP_PORT} ipv6only=off;
    root ${folder};
    location = / { default_type text/plain; return 200 "${name} ${version}\\n"; }
    location = /health { default_type text/plain; return 200 "fine\\n"; }
    location = /download { limit_rate ${DOWNLOAD_OCTETS_PER_S}; }
  }
}
`
