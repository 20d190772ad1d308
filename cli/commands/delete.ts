/** `sluice delete KIND NAME…`. */
import { Option, type Command } from 'commander'
import { must, type Client } from '../client/client.js'
import { Refused } from '../client/refused.js'
import { apiCommand, UsageError, type Context, type Io } from './context.js'
import { resolveKind } from './get.js'

interface DeleteFlags {
  missingOk?: boolean
  dryRun?: boolean
}

const EXAMPLES = `sluice delete service web
sluice delete server web/a web/b              real servers of web; \`sluice drain\` is gentler
sluice delete health-check web                refused while services ask for it
sluice delete mark-rule web --missing-ok      nothing to do is success too
sluice delete webhook pager                   what it had not told yet is not told`

export function addDelete(program: Command, io: Io): void {
  const command = program
    .command('delete')
    .description('delete services, real servers, health checks, mark rules or webhooks by name')
    .argument('<kind>', 'service, server, health-check, mark-rule or webhook')
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
  else if (kind === 'webhooks') await deleteWebhook(client, name, query.missingOk)
  else if (kind === 'servers') {
    const { service, server } = serverPath(name)
    const params = { path: { name: service, server }, query }
    await must(client.DELETE('/v1/virtual-services/{name}/real-servers/{server}', { params }))
  } else throw new UsageError(`${kind} cannot be deleted`)
}

/** Webhooks are no configuration, and what writes that has options that they lack. */
async function deleteWebhook(client: Client, name: string, missingOk: boolean): Promise<void> {
  try {
    await must(client.DELETE('/v1/webhooks/{name}', { params: { path: { name } } }))
  } catch (error) {
    const isMissing = error instanceof Refused && error.problem.code === 'WEBHOOK_NOT_FOUND'
    if (!missingOk || !isMissing) throw error
  }
}

/** `SERVICE/NAME`. */
export function serverPath(text: string): { service: string; server: string } {
  const [service, server, ...rest] = text.split('/')
  if (!service || !server || rest.length > 0)
    throw new UsageError(`'${text}' is not of the form SERVICE/SERVER`)
  return { service, server }
}
