// `ipvsadm -R` and -C against an appliance: in one request, or as ipvsadm would have done it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../../../cli/ipvsadm/command.js'
import { RestBackend } from '../../../cli/ipvsadm/rest-backend.js'
import { RestCaller } from '../../../cli/ipvsadm/rest-caller.js'
import { EngineDataplane } from '../../server/fixtures/engine-dataplane.js'
import { startAppliance } from '../../server/fixtures/appliance.js'

/** As `ipvsadm -Sn` writes them: services newest first, real servers newest first. */
const SAVED = [
  '-A -t 198.51.100.10:80 -s rr',
  '-a -t 198.51.100.10:80 -r 10.0.0.9:8080 -m -w 3',
  '-a -t 198.51.100.10:80 -r 10.0.0.1:8080 -m -w 1',
  '-a -t 198.51.100.10:80 -r 10.0.0.5:80 -g -w 2',
  '-A -u [2001:db8:f::1]:53 -s wlc -p 60',
  '-a -u [2001:db8:f::1]:53 -r [2001:db8:2::1]:53 -m -w 1',
  '-A -f 7 -s wrr',
  '-a -f 7 -r 10.0.0.1:0 -g -w 1',
].join('\n')

async function start(t: Test) {
  const a = await startAppliance({ dataplane: new EngineDataplane() })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  const socketPath = join(folder, 'api.sock')
  await a.app.listen({ path: socketPath })
  const api = new RestCaller({ socketPath })
  t.teardown(async () => {
    api.close()
    await a.close()
    rmSync(folder, { recursive: true })
  })
  const ipvsadm = (args: string, stdin = '') =>
    run(args.split(' '), new RestBackend(api), { stdin })
  const saved = async () => (await ipvsadm('-Sn')).stdout
  return { ...a, ipvsadm, saved }
}

t.test('a saved table is one revision, and comes back line for line', async t => {
  const { ipvsadm, saved, control } = await start(t)
  t.match(await ipvsadm('-R', SAVED), { exit: 0, out: '' })
  t.equal(control.revision(), 1)
  t.match(await ipvsadm('-C'), { exit: 0, out: '' })
  t.equal(control.revision(), 2)
  t.equal(await saved(), '')
  for (const line of SAVED.split('\n')) await ipvsadm(line)
  const oneByOne = await saved()
  t.equal(oneByOne.split('\n').length, SAVED.split('\n').length + 1)
  await ipvsadm('-C')
  const revision = control.revision()
  t.match(await ipvsadm('-R', SAVED), { exit: 0 })
  t.equal(control.revision(), revision + 1)
  t.equal(await saved(), oneByOne, 'the order is that of single commands')
})

t.test('what is there already is told line by line, and the rest is one revision', async t => {
  const { ipvsadm, control } = await start(t)
  await ipvsadm('-R', SAVED)
  const more = [
    ...[SAVED.split('\n').slice(0, 2).join('\n'), '-a -t 198.51.100.10:80 -r 10.0.0.6:80 -m'],
    ...['-a -t 198.51.100.99:80 -r 10.0.0.6:80 -m', '-A -t 198.51.100.11:80'],
    '-a -t 198.51.100.11:80 -r 10.0.0.1 -m -x 1 -y 2',
  ]
  const outcome = await ipvsadm('-R', more.join('\n'))
  t.equal(
    outcome.out,
    'Service already exists\nDestination already exists\nService not defined\n' +
      'Numerical result out of range\n',
  )
  t.equal(outcome.exit, 255, 'the last line was refused')
  t.equal(control.revision(), 2)
  t.equal(control.services.get('tcp-198-51-100-10-80').view.realServers['10-0-0-6-80']?.weight, 1)
})

t.test('where the API finds more, what stands before and behind it is carried out', async t => {
  const { ipvsadm, saved } = await start(t)
  const lines = ['-A -t 198.51.100.1:80 -s rr', '-A -t 198.51.100.2:80 -s nosuch']
  const outcome = await ipvsadm('-R', [...lines, '-A -t 198.51.100.3:80 -s rr'].join('\n'))
  t.match(outcome, { exit: 0, out: 'Scheduler or persistence engine not found\n' })
  t.match(await saved(), /^-A -t 198\.51\.100\.1:80 -s rr\n-A -t 198\.51\.100\.3:80 -s rr\n$/)
  const bad = await ipvsadm('-R', '-A -t 198.51.100.4:80\n-A -t 198.51.100.5:0\n-C\n')
  t.match(bad, { exit: 2, out: 'Zero port specified for non-persistent service\n' })
  t.match(await saved(), /198\.51\.100\.4/, 'nothing behind a mistake is read')
  await ipvsadm('-R', '-A -t 198.51.100.6:80\n-C\n-A -t 198.51.100.7:80\n')
  t.equal(await saved(), '-A -t 198.51.100.7:80 -s wlc\n')
})

t.test('a disabled real server is none for ipvsadm, and comes back as itself', async t => {
  const { ipvsadm, control, ...appliance } = await start(t)
  await ipvsadm('-R', SAVED)
  const path = '/v1/virtual-services/tcp-198-51-100-10-80/real-servers/10-0-0-9-8080'
  const patch = { adminState: 'disabled', labels: { rack: '1' } }
  const patched = await appliance.send('PATCH', path, patch)
  t.equal(patched.statusCode, 200, patched.body)
  const lines = '-a -t 198.51.100.10:80 -r 10.0.0.9:8080 -m -w 9\n-A -t 198.51.100.20:80\n'
  t.match(await ipvsadm('-R', lines), { exit: 0, out: '' })
  t.match(control.services.get('tcp-198-51-100-10-80').view.realServers['10-0-0-9-8080'], {
    ...{ adminState: 'enabled', weight: 9, labels: { rack: '1' } },
  })
})
