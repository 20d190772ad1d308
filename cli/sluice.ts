#!/usr/bin/env node
/** The `sluice` command. Each subcommand loads what it needs itself, so that help stays quick. */
import { Command, CommanderError, Option } from 'commander'
import { ConfigError, readConfig, SETTINGS, type Config, type Flags } from '../server/config.js'
import { addApiCommands } from './commands/index.js'
import { doctor } from './doctor.js'
import { EXIT_HELP, EXAMPLES } from './help.js'
import { processIo } from './process-io.js'
import { REPLAY_HELP } from './replay/help.js'
import type { ReplayFlags } from './replay.js'
import { version } from './version.js'

const USAGE = 2

const program = new Command('sluice')
  .description('A layer-4 load-balancer appliance: IPVS in user space, managed over REST.')
  .version(version(), '-V, --version')
  .showHelpAfterError('(sluice --help lists commands and options)')
  .configureHelp({ showGlobalOptions: true })
  .addHelpText('after', `\n${EXAMPLES}\n\n${EXIT_HELP}`)
  .exitOverride()

withSettings(program.command('serve').description('run the appliance in the foreground'))
  .addHelpText('after', `\n${EXIT_HELP}`)
  .action(async (flags: Flags) => {
    const config = configOf(flags)
    const { serve } = await import('../server/main.js')
    process.exit(await serve(config))
  })

withSettings(program.command('doctor').description('say what this host lacks, and what mends it'))
  .addOption(
    new Option('-o, --output <format>', 'how the report is written')
      .choices(['text', 'json'])
      .default('text'),
  )
  .addHelpText('after', `\n${EXIT_HELP}`)
  .action(async (flags: Flags & { output: 'text' | 'json' }) => {
    process.exitCode = await doctor(configOf(flags), flags.output)
  })

program
  .command('replay')
  .description('run a capture through the dataplane, offline, and say what becomes of each packet')
  .requiredOption('--config <file>', 'virtual services and their surroundings (see below)')
  .requiredOption('--in <file>', 'capture to read, pcap or pcapng; - for standard input')
  .option('--out <file>', 'capture to write, with every packet sent')
  .addOption(
    new Option('-o, --output <format>', 'how the report is written; json is one object a line')
      .choices(['text', 'json'])
      .default('text'),
  )
  .option('-q, --quiet', 'only the summary')
  .addHelpText('after', `\n${REPLAY_HELP}`)
  .exitOverride()
  .action(async (flags: ReplayFlags) => {
    const { replay } = await import('./replay.js')
    process.exitCode = await replay(flags)
  })

addApiCommands(program, processIo())

// Only for the help: ipvsadm reads its own arguments, also those that commander would take.
program
  .command('ipvsadm')
  .description('manage the appliance as ipvsadm manages a kernel: same options, same output')
  .usage('[--api http(s)://host:port|unix:/path] COMMAND [OPTIONS]')

// `sluice … | head`: who reads has read enough. The appliance goes on without an audience.
process.stdout.on('error', () => {
  if (process.argv[2] !== 'serve') process.exit()
})

try {
  if (process.argv[2] === 'ipvsadm') {
    const { ipvsadm } = await import('./ipvsadm-command.js')
    process.exitCode = await ipvsadm(process.argv.slice(3), process.env)
  } else await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE
  else if (error instanceof ConfigError) {
    for (const fault of error.faults) process.stderr.write(`sluice: ${fault}\n`)
    process.exitCode = USAGE
  } else {
    process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}

/** Options without defaults: what was not given may still come from the environment. */
function withSettings(command: Command): Command {
  for (const { flag, placeholder, help, env, fallback, repeatable, isSwitch } of SETTINGS) {
    const shown = fallback === '' || isSwitch ? '' : `default: ${fallback}, `
    const option = new Option(`${flag} ${placeholder}`.trim(), `${help} (${shown}env: ${env})`)
    if (repeatable)
      option.argParser((name: string, before: string[] | undefined) => [...(before ?? []), name])
    command.addOption(option)
  }
  return command.exitOverride()
}

/** commander gives options in camelCase; settings know them by the name that people type. */
function configOf(options: Flags): Config {
  const flags = SETTINGS.map(({ flag }) => {
    const name = flag.slice(2)
    // To commander --no-x is the opposite of an x that is true.
    const negated = name.startsWith('no-')
    const key = (negated ? name.slice(3) : name).replaceAll(/-(\w)/g, (_, letter: string) =>
      letter.toUpperCase(),
    )
    return [name, negated ? options[key] === false || undefined : options[key]] as const
  })
  return readConfig(Object.fromEntries(flags), process.env)
}
