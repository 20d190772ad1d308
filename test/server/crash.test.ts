import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openDatabase } from '../../server/db.js'
import { ConfigurationRepo } from '../../server/repo/configuration.js'

const writer = fileURLToPath(new URL('./fixtures/writer.ts', import.meta.url))

/** Runs the writer and kills it once it has had `count` writes acknowledged. */
function writeAndKill(file: string, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, writer, file])
    let out = ''
    let err = ''
    let killed = false
    child.stderr.on('data', (chunk: Buffer) => void (err += chunk.toString()))
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (killed || out.split('\n').length < count) return
      killed = child.kill('SIGKILL')
    })
    child.on('close', () => {
      // A last line without its end was not acknowledged.
      if (killed) resolve(out.slice(0, out.lastIndexOf('\n')).split('\n'))
      else reject(new Error(err))
    })
  })
}

t.test('kill -9 while writing loses nothing that was acknowledged', async t => {
  const file = `${t.testdir()}/sluice.db`
  for (const count of [40, 173]) {
    const acknowledged = await writeAndKill(file, count)
    t.ok(acknowledged.length >= count - 1)
    const weights = new Map(acknowledged.map(line => line.split(' ') as [string, string]))
    const last = Number(acknowledged.at(-1)!.split(' ')[1])
    const database = openDatabase(file)
    t.equal(database.pragma('integrity_check', { simple: true }), 'ok')
    const { servers } = new ConfigurationRepo(database).services.get('web')!
    for (const [name, weight] of weights) {
      const stored = servers.find(server => server.name === name)!.config.weight
      // One write more may have been stored, but not yet acknowledged.
      t.ok(stored === Number(weight) || stored === last + 1, `${name}: ${stored} for ${weight}`)
    }
    database.close()
  }
})
