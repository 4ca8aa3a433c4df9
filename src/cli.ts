/**
 * cli - the commands of bounced, each in a file of its own, loaded when it is called
 *
 * Exit status: 0 done, 1 something failed, 2 the call or the settings were wrong. What went wrong is one line on standard error.
 *
 * See also: commands/*, bin/bounced.mjs.
 */
import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import type { DefineCommand } from './commands/command.ts'
import { Fault } from './errors.ts'
import { toPrintable } from './telemetry.ts'

type CommandRow = { readonly summary: string; readonly load: () => Promise<DefineCommand> }

const COMMANDS = {
  serve: { summary: 'start the daemon', load: async () => (await import('./commands/serve.ts')).serveCommand },
  config: { summary: 'print the settings in force', load: async () => (await import('./commands/config.ts')).configCommand },
  explain: { summary: 'show what a mail says and why', load: async () => (await import('./commands/reading/explain.ts')).explainCommand },
  replay: {
    summary: 'read mails out of files into the store or a daemon',
    load: async () => (await import('./commands/reading/replay.ts')).replayCommand,
  },
  retire: {
    summary: 'remove what is older than retention.months',
    load: async () => (await import('./commands/store/retire.ts')).retireCommand,
  },
  rebuild: {
    summary: 'make or check the projections from the facts',
    load: async () => (await import('./commands/store/rebuild.ts')).rebuildCommand,
  },
  suppression: {
    summary: 'undo a batch of list entries',
    load: async () => (await import('./commands/lists/suppression.ts')).suppressionCommand,
  },
  brake: {
    summary: 'list, apply or discard what the brake holds',
    load: async () => (await import('./commands/lists/mass-bounce.ts')).massBounceCommand,
  },
  account: {
    summary: 'add and list accounts, their settings, rotate secrets',
    load: async () => (await import('./commands/account/account.ts')).accountCommand,
  },
  token: { summary: 'sign and read tokens', load: async () => (await import('./commands/account/token.ts')).tokenCommand },
  inbox: {
    summary: 'list and settle the mails that wait for a person',
    load: async () => (await import('./commands/reading/inbox.ts')).inboxCommand,
  },
  cut: { summary: 'cut off peers, tokens and accounts', load: async () => (await import('./commands/lists/block.ts')).blockCommand },
  dkim: {
    summary: 'make, list and rotate the keys that mail is signed with',
    load: async () => (await import('./commands/account/dkim.ts')).dkimCommand,
  },
  erase: { summary: 'erase an address everywhere', load: async () => (await import('./commands/account/erase.ts')).eraseCommand },
  export: { summary: 'print mails, suppressions or facts', load: async () => (await import('./commands/store/export.ts')).exportCommand },
  simulate: {
    summary: 'try a campaign and a pause policy on a virtual clock',
    load: async () => (await import('./commands/queue/simulate.ts')).simulateCommand,
  },
  queue: {
    summary: 'list, pause, recover and slow the lanes of the delivery queue',
    load: async () => (await import('./commands/queue/queue.ts')).queueCommand,
  },
  alerts: {
    summary: 'print the alerts that stand and their thresholds',
    load: async () => (await import('./commands/lists/alerts.ts')).alertsCommand,
  },
  route: {
    summary: 'give domains to accounts that take mail of their own',
    load: async () => (await import('./commands/account/forward.ts')).forwardCommand,
  },
  demo: {
    summary: 'a daemon, providers on loopback and a live campaign, to watch',
    load: async () => (await import('./commands/queue/demo.ts')).demoCommand,
  },
  doctor: {
    summary: 'look at a sender domain as receivers do: SPF, DKIM, DMARC, PTR, EHLO, MX',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  rules: {
    summary: 'list the rules, or try one reply on them',
    load: async () => (await import('./commands/reading/rules.ts')).rulesCommand,
  },
} as const satisfies Record<string, CommandRow>

/** Options before the command that take a value; the command is the first word that is neither option nor value. */
const OPTIONS_WITH_VALUE = new Set(['-c', '--config'])

function commandOf(args: readonly string[]): string | null {
  const at = args.findIndex((arg, index) => !arg.startsWith('-') && !OPTIONS_WITH_VALUE.has(args[index - 1] ?? ''))
  const word = at < 0 ? null : args[at]
  return word === 'help' ? (args[at + 1] ?? null) : (word ?? null)
}

async function makeProgram(args: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'))
  const program = new Command('bounced')
    .description('Takes the bounces and complaints that come back to a sender, and says what each one means.')
    .version(String(version))
    .option('-c, --config <file>', 'TOML file with settings (default: BOUNCED_CONFIG)')
    .showSuggestionAfterError()
    .exitOverride()
  const requested = commandOf(args)
  for (const [name, row] of Object.entries<CommandRow>(COMMANDS)) {
    const command = program.command(name).summary(row.summary).description(row.summary).exitOverride()
    if (name === requested) (await row.load())(command)
  }
  return program
}

function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (!(error instanceof Fault)) {
    console.error(error)
    return 1
  }
  for (const line of error.message.split('\n')) console.error(toPrintable(`bounced: ${line}`))
  return error.code === 'config_invalid' || error.code === 'bad_request' ? 2 : 1
}

// What has been compiled once is kept beside the packages: half the time of a start. Where nothing can be written, nothing is kept.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'bounced'))

// A reader that has seen enough (`| head`) ends us in peace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

try {
  const args = process.argv.slice(2)
  await (await makeProgram(args)).parseAsync(args, { from: 'user' })
} catch (error) {
  process.exitCode = exitStatusOf(error)
}
