/**
 * cli - the command line: a table of commands, each in a file that is loaded when the command is called
 *
 * Exit status: 0 success, 1 the command failed, 2 the arguments or the settings are wrong. An error is one line on standard error.
 *
 * See also: commands/command, bin/bounced.mjs.
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
  setup: {
    summary: 'print the DNS records, units and settings of an installation',
    load: async () => (await import('./commands/setup/setup.ts')).setupCommand,
  },
  explain: {
    summary: 'show what a mail reports, and the rule that decides',
    load: async () => (await import('./commands/reading/explain.ts')).explainCommand,
  },
  follow: {
    summary: 'record the outcomes that the log of another MTA names',
    load: async () => (await import('./commands/reading/follow.ts')).followCommand,
  },
  replay: {
    summary: 'read mails from files into the store, or send them to a daemon',
    load: async () => (await import('./commands/reading/replay.ts')).replayCommand,
  },
  receive: {
    summary: 'hand the mail on standard input to the running daemon',
    load: async () => (await import('./commands/receive.ts')).receiveCommand,
  },
  retire: {
    summary: 'remove everything older than retention.months',
    load: async () => (await import('./commands/store/retire.ts')).retireCommand,
  },
  rebuild: {
    summary: 'rebuild or check the projections of the facts',
    load: async () => (await import('./commands/store/rebuild.ts')).rebuildCommand,
  },
  backup: {
    summary: 'copy the store to one file, beside a running daemon',
    load: async () => (await import('./commands/store/backup.ts')).backupCommand,
  },
  restore: {
    summary: 'put a backup in the place of the store',
    load: async () => (await import('./commands/store/restore.ts')).restoreCommand,
  },
  migrate: {
    summary: 'copy the store to another one, such as from SQLite to PostgreSQL',
    load: async () => (await import('./commands/store/migrate.ts')).migrateCommand,
  },
  suppression: {
    summary: 'show, add and remove one address on the lists; reactivate many',
    load: async () => (await import('./commands/lists/suppression.ts')).suppressionCommand,
  },
  'mass-bounce': {
    summary: 'list, apply or discard what the mass-bounce guard holds',
    load: async () => (await import('./commands/lists/mass-bounce.ts')).massBounceCommand,
  },
  account: {
    summary: 'add and list accounts, change their settings, rotate secrets',
    load: async () => (await import('./commands/account/account.ts')).accountCommand,
  },
  user: {
    summary: 'add and list users of the console, set their passwords and roles',
    load: async () => (await import('./commands/account/user.ts')).userCommand,
  },
  token: { summary: 'sign and read tokens', load: async () => (await import('./commands/account/token.ts')).tokenCommand },
  inbox: {
    summary: 'list and resolve the mails that need a decision',
    load: async () => (await import('./commands/reading/inbox.ts')).inboxCommand,
  },
  block: { summary: 'block peers, tokens and accounts', load: async () => (await import('./commands/lists/block.ts')).blockCommand },
  dkim: {
    summary: 'make, list and rotate the keys that sign outgoing mail',
    load: async () => (await import('./commands/account/dkim.ts')).dkimCommand,
  },
  'event-source': {
    summary: 'add, list and remove email service providers whose events an account takes',
    load: async () => (await import('./commands/account/event-source.ts')).eventSourceCommand,
  },
  erase: { summary: 'erase an address from the store', load: async () => (await import('./commands/account/erase.ts')).eraseCommand },
  export: {
    summary: 'print deliveries, suppressions or facts',
    load: async () => (await import('./commands/store/export.ts')).exportCommand,
  },
  simulate: {
    summary: 'try a campaign and a backoff policy on a virtual clock',
    load: async () => (await import('./commands/queue/simulate.ts')).simulateCommand,
  },
  queue: {
    summary: 'list, pause, recover and limit the lanes of the delivery queue',
    load: async () => (await import('./commands/queue/queue.ts')).queueCommand,
  },
  shaping: {
    summary: 'print the limits of receiving sites, and why; import those of KumoMTA',
    load: async () => (await import('./commands/queue/shaping.ts')).shapingCommand,
  },
  advise: {
    summary: 'print what an MTA that keeps its own queue should stop or slow down',
    load: async () => (await import('./commands/queue/advise.ts')).adviseCommand,
  },
  alerts: {
    summary: 'print the raised alerts and their thresholds',
    load: async () => (await import('./commands/lists/alerts.ts')).alertsCommand,
  },
  'tls-reports': {
    summary: 'print the TLS reports about your domains',
    load: async () => (await import('./commands/reading/tls-reports.ts')).tlsReportsCommand,
  },
  inbound: {
    summary: 'assign domains to accounts that receive mail of their own',
    load: async () => (await import('./commands/account/inbound.ts')).inboundCommand,
  },
  demo: {
    summary: 'run a daemon, simulated providers and a live campaign on loopback',
    load: async () => (await import('./commands/queue/demo.ts')).demoCommand,
  },
  doctor: {
    summary: 'check a sender domain as receivers do: SPF, DKIM, DMARC, PTR, EHLO, MX; and the mailboxes',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  trace: {
    summary: 'watch one peer, domain or delivery in the running daemon',
    load: async () => (await import('./commands/trace.ts')).traceCommand,
  },
  reclassify: {
    summary: 'check, apply or undo what rules would change in the stored replies',
    load: async () => (await import('./commands/reading/reclassify.ts')).reclassifyCommand,
  },
  rules: {
    summary: 'list the rules, or try one reply on them',
    load: async () => (await import('./commands/reading/rules.ts')).rulesCommand,
  },
} as const satisfies Record<string, CommandRow>

/** The names until 0.1, which go with the next release. The help does not list them. */
const OLD_NAMES = { brake: 'mass-bounce', cut: 'block', route: 'inbound' } as const satisfies Record<string, keyof typeof COMMANDS>

/** Options before the command that take a value. The command is the first word that is neither an option nor a value. */
const OPTIONS_WITH_VALUE = new Set(['-c', '--config'])

function commandOf(args: readonly string[]): string | null {
  const at = args.findIndex((arg, index) => !arg.startsWith('-') && !OPTIONS_WITH_VALUE.has(args[index - 1] ?? ''))
  const word = at < 0 ? null : args[at]
  return word === 'help' ? (args[at + 1] ?? null) : (word ?? null)
}

async function makeProgram(args: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'))
  const program = new Command('bounced')
    .description('Reads the bounces and complaints that come back to a sender, and says what each one means.')
    .version(String(version))
    .option('-c, --config <file>', 'TOML file with settings (default: BOUNCED_CONFIG)')
    .showSuggestionAfterError()
    .exitOverride()
  const requested = commandOf(args)
  for (const [name, row] of Object.entries<CommandRow>(COMMANDS)) await define(program, { name, row, hidden: false }, requested)
  for (const [name, current] of Object.entries(OLD_NAMES)) await define(program, { name, row: COMMANDS[current], hidden: true }, requested)
  return program
}

type NamedCommand = { readonly name: string; readonly row: CommandRow; readonly hidden: boolean }

/** Adds a command to the program; its file is loaded only where it is the one that was requested. */
async function define(program: Command, { name, row, hidden }: NamedCommand, requested: string | null): Promise<void> {
  const command = program.command(name, { hidden }).summary(row.summary).description(row.summary).exitOverride()
  if (name === requested) (await row.load())(command)
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

// The compile cache halves the time of a start and, because what it holds needs no stripping of types, saves 10 MB in each thread. Where
// the folder cannot be written, there is no cache. Threads of this process use the cache of the variable.
const cacheFolder = join(import.meta.dirname, '..', 'node_modules', '.cache', 'bounced')
enableCompileCache(cacheFolder)
if ((process.env['NODE_COMPILE_CACHE'] ?? '') === '') process.env['NODE_COMPILE_CACHE'] = cacheFolder

// A reader that closes the pipe (`| head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

try {
  const args = process.argv.slice(2)
  await (await makeProgram(args)).parseAsync(args, { from: 'user' })
} catch (error) {
  process.exitCode = exitStatusOf(error)
}
