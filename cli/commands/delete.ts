/** `sluice delete KIND NAME…`. */
import { Option, type Command } from 'commander'
import { must } from '../client/client.js'
import { apiCommand, UsageError, type Context, type Io } from './context.js'
import { resolveKind } from './get.js'

interface DeleteFlags {
  missingOk?: boolean
  dryRun?: boolean
}

const EXAMPLES = `sluice delete service web
sluice delete server web/a web/b              real servers of web; \`sluice drain\` is gentler
sluice delete health-check web                refused while services ask for it
sluice delete mark-rule web --missing-ok      nothing to do is success too`

export function addDelete(program: Command, io: Io): void {
  const command = program
    .command('delete')
    .description('delete services, real servers, health checks or mark rules by name')
    .argument('<kind>', 'service, server, health-check or mark-rule')
    .argument('<names...>', 'what to delete')
    .addOption(new Option('--missing-ok', 'succeed when there is nothing to delete'))
  apiCommand<DeleteFlags>(command, io, EXAMPLES, async (context, kind, ...names) => {
    const [plural] = resolveKind(kind).names
    for (const name of names) {
      await deleteOne(context, plural, name)
      context.io.out(`${plural}/${name} deleted\n`)
    }
  })
}

async function deleteOne(
  { session: { client }, flags }: Context<DeleteFlags>,
  kind: string,
  name: string,
): Promise<void> {
  const query = { missingOk: flags.missingOk === true }
  const path = { name }
  if (kind === 'services')
    await must(client.DELETE('/v1/virtual-services/{name}', { params: { path, query } }))
  else if (kind === 'mark-rules')
    await must(client.DELETE('/v1/mark-rules/{name}', { params: { path, query } }))
  else if (kind === 'health-checks')
    await must(client.DELETE('/v1/health-checks/{name}', { params: { path, query } }))
  else if (kind === 'servers') {
    const { service, server } = serverPath(name)
    const params = { path: { name: service, server }, query }
    await must(client.DELETE('/v1/virtual-services/{name}/real-servers/{server}', { params }))
  } else throw new UsageError(`${kind} cannot be deleted`)
}

/** `SERVICE/NAME`. */
export function serverPath(text: string): { service: string; server: string } {
  const [service, server, ...rest] = text.split('/')
  if (!service || !server || rest.length > 0)
    throw new UsageError(`'${text}' is not of the form SERVICE/SERVER`)
  return { service, server }
}
