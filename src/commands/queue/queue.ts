/**
 * queue - operates the delivery queue: lists, pauses and recovers lanes, sets their rates, deletes their mail, starts the warm-up of an IP
 *
 * A queue command is stored and carried out by the nodes that deliver, within a second. Where no node delivers, it stays pending.
 *
 * See also: service/deliver/queue-api, http/api/queue (the same by HTTP), docs/QUEUE.md.
 */
import type { Command } from 'commander'
import { isIP } from 'node:net'
import { z } from 'zod'
import { defineStoreCommand, type CommandContext, type CommandOutput } from '../../daemon/store-command.ts'
import { normaliseDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { MAX_MANUAL_PAUSE_MS, type OperatorCommand } from '../../queue/schedule/operator-commands.ts'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import type { LaneSnapshotRow } from '../../store/queue/lane-snapshots.ts'
import { createQueueApi } from '../../service/deliver/queue-api.ts'
import { parseTimeOption, requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { defineWhyCommand, whyCommand } from './why.ts'
import { formatColumns, toSingleLine } from '../output.ts'

const optionsSchema = z.object({
  account: z.string().optional(),
  domain: z.string().optional(),
  label: z.string().optional(),
  emailId: z.string().optional(),
  until: z.string().optional(),
  since: z.string().optional(),
  after15Days: z.string().optional(),
  probe: z.boolean().optional(),
  key: z.string().optional(),
  perMinute: z.string().optional(),
  all: z.boolean().optional(),
  ip: z.string().optional(),
  from: z.string().optional(),
  end: z.boolean().optional(),
  evidence: z.boolean().optional(),
})

type Options = z.output<typeof optionsSchema>

/** Makes the command for the queue once the account's number is known (0: no account is named). */
type CommandBuilder = (account: number) => OperatorCommand

/** Reads the options of each operation before a store is opened. Faults: bad_request. */
const OPERATIONS = { pause, recover, rate, delete: remove, warmUp } as const satisfies Record<
  string,
  (options: Options, now: number) => CommandBuilder
>

const listCommand = defineStoreCommand('queue list', optionsSchema, listLanes)

const changeCommand = defineStoreCommand(
  'queue change',
  z.object({ operation: z.enum(['pause', 'recover', 'rate', 'delete', 'warmUp']), options: optionsSchema }),
  async ({ context }, { operation, options }, output) => {
    const build = OPERATIONS[operation](options, context.now())
    const account = options.account === undefined ? 0 : await requireAccount(context.engine.read, options.account)
    const queueApi = createQueueApi(context)
    const command = options.emailId === undefined ? build(account) : await queueApi.findDeletion(account, options.emailId)
    const result = await queueApi.submitCommand({ account: 'account' in command ? account : 0, actor: 'operator', command })
    if (result.state === 'refused') throw new Fault('bad_request', result.said ?? 'the queue refused this command')
    await output.printLines(
      result.state === 'waiting'
        ? `command ${result.commandId} is pending until a node delivers`
        : `done: ${result.moved} keys and pauses changed, ${result.deleted} mails deleted`,
    )
  },
)

export const QUEUE_STORE_COMMANDS = [listCommand, changeCommand, whyCommand] as const

export const queueCommand: DefineCommand = (command) => {
  const define = (name: string, operation: keyof typeof OPERATIONS, summary: string): Command =>
    command
      .command(name)
      .summary(summary)
      .action((options: Options, self: Command) => {
        OPERATIONS[operation](options, Date.now())
        return runStoreCommand(self, changeCommand, { operation, options })
      })
  const defineForLanes = (name: string, operation: keyof typeof OPERATIONS, summary: string): Command =>
    define(name, operation, summary).requiredOption('--account <apiUser>', 'the owner of the lanes').option('--domain <domain>', 'one lane')
  defineListCommand(command)
  defineWhyCommand(command)
  defineForLanes('pause', 'pause', 'pause, for at most 15 days')
    .option('--label <id>', 'only the mail with this label')
    .option('--until <time>', 'when it ends (ISO 8601); default: in 15 days')
    .option('--after-15-days <keep|delete>', 'what happens to the mail after 15 days without --until', 'keep')
  define('recover', 'recover', 'resume the lanes of an account, or one backoff key')
    .option('--account <apiUser>', 'the owner of the lanes')
    .option('--domain <domain>', 'one lane')
    .option('--label <id>', 'only the pauses of this label')
    .option('--key <key>', 'one key, whichever lanes it holds')
    .option('--probe', 'send five mails first')
  defineForLanes('rate', 'rate', 'set the rate of a lane').requiredOption('--per-minute <mails|none>', 'mails a minute')
  defineForLanes('delete', 'delete', 'delete queued mail')
    .option('--label <id>', 'only the mail with this label')
    .option('--email-id <emailId>', 'only this mail')
    .option('--since <time>', 'accepted at or after (ISO 8601)')
    .option('--until <time>', 'accepted before')
    .option('--all', 'all queued mail')
  define('warm-up', 'warmUp', 'start or end the warm-up of an IP')
    .requiredOption('--ip <address>', 'the egress IP')
    .option('--from <time>', 'its first day; default: now')
    .option('--end', 'the IP is warm')
}

const defineListCommand: DefineCommand = (command) => {
  command
    .command('list', { isDefault: true })
    .summary('print the lanes: state, reason, next sending time, queued mails, rates')
    .option('--account <apiUser>', 'only this account')
    .option('--domain <domain>', 'only this receiving domain')
    .option('--evidence', 'the replies that closed each lane')
    .action((options: Options, self: Command) => {
      parseDomain(options)
      return runStoreCommand(self, listCommand, options)
    })
}

const PAGE_SIZE = 500

async function listLanes({ context }: CommandContext, options: Options, output: CommandOutput): Promise<void> {
  const queueApi = createQueueApi(context)
  const { read } = context.engine
  const account = options.account === undefined ? null : await requireAccount(read, options.account)
  const names = new Map((await listAccountsForOperator(read)).map((each) => [each.account, each.name]))
  const domain = parseDomain(options)
  const { delivering, seenAt } = await queueApi.deliveryStatus()
  let count = 0
  for (let rows = await queueApi.listLanes({ account, domain, after: null, limit: PAGE_SIZE }); rows.length > 0;) {
    count += rows.length
    const lines = formatColumns(rows.map((row) => laneCells(row, names.get(row.account) ?? '?')))
    await output.printLines(...lines.flatMap((line, at) => [line, ...(options.evidence === true ? evidenceLines(rows[at]) : [])]))
    rows = rows.length < PAGE_SIZE ? [] : await queueApi.listLanes({ account, domain, after: rows.at(-1) ?? null, limit: PAGE_SIZE })
  }
  await output.printLines(`${count} lanes`, ...(delivering ? [] : [notDeliveringLine(seenAt)]))
}

const notDeliveringLine = (seenAt: number | null): string =>
  seenAt === null
    ? 'no node has ever delivered from this store (delivery.mode)'
    : `no node has delivered since ${formatTime(seenAt)}; the list shows the state of that time`

const formatTime = (at: number): string => new Date(at).toISOString()

function laneCells({ domain, status }: LaneSnapshotRow, account: string): string[] {
  const {
    state,
    reason,
    nextSendingAt,
    waiting,
    inFlight,
    rates,
    perMinute,
    perMinuteInForce = null,
    isStopped,
    pausedLabels = [],
  } = status
  const perSecond = [rates.in[2], rates.try[2], rates.out[2]].map((rate) => rate.toFixed(1)).join('/')
  const inFlightNote = inFlight === 0 ? '' : ` (${inFlight} in flight)`
  const nextAttempt = nextSendingAt === null ? '-' : formatTime(nextSendingAt)
  const isShown = perMinuteInForce !== null && perMinuteInForce !== perMinute && !isStopped
  const inForceNote = isShown ? `, at most ${Number(perMinuteInForce.toFixed(1))} a minute now` : ''
  return [
    account,
    toSingleLine(domain),
    state,
    reason ?? '-',
    nextAttempt,
    `${waiting} queued${inFlightNote}`,
    `in/try/out ${perSecond}${perMinute === null ? '' : `, set to ${perMinute} a minute`}${inForceNote}`,
    ...pausedLabels.map((each) => `label ${each.label} paused until ${formatTime(each.until)} (${each.waiting} queued)`),
  ]
}

const evidenceLines = (row: LaneSnapshotRow | undefined): string[] =>
  evidenceFor(0, row?.status.evidence ?? []).map(
    ({ at, code, text }) => `    ${formatTime(at)}  ${code ?? '-'}  ${toSingleLine(text ?? '')}`,
  )

function pause(options: Options, now: number): CommandBuilder {
  const { after15Days = 'keep' } = options
  const until = parseTimeOption('--until', options.until)
  if (until !== null && (until <= now || until > now + MAX_MANUAL_PAUSE_MS))
    throw new Fault('bad_request', '--until takes a time in the next 15 days')
  const domain = parseDomain(options)
  const end = parseEnd(after15Days)
  const label = parseLabel(options)
  return (account) => ({ kind: 'pause', account, domain, ...(label === null ? {} : { label }), until, after15Days: end })
}

function parseEnd(text: string): 'keep' | 'delete' {
  if (text === 'keep' || text === 'delete') return text
  throw new Fault('bad_request', '--after-15-days takes keep or delete')
}

function recover(options: Options): CommandBuilder {
  const { key } = options
  const label = parseLabel(options)
  const how = options.probe === true ? 'probe' : 'immediate'
  if ((key === undefined) === (options.account === undefined)) throw new Fault('bad_request', 'name an --account or a --key')
  if (key !== undefined && label !== null) throw new Fault('bad_request', '--label belongs to an --account: name no --key')
  if (key !== undefined) return () => ({ kind: 'recover-key', key, how })
  const domain = parseDomain(options)
  return (account) => ({ kind: 'recover', account, domain, ...(label === null ? {} : { label }), how })
}

function rate(options: Options): CommandBuilder {
  const domain = parseDomain(options)
  const perMinute = options.perMinute === 'none' ? null : Number(options.perMinute)
  if (domain === null) throw new Fault('bad_request', 'a rate belongs to one lane: name its --domain')
  if (perMinute !== null && !(perMinute > 0)) throw new Fault('bad_request', '--per-minute takes a number above 0, or none')
  return (account) => ({ kind: 'rate', account, domain, perMinute })
}

function remove(options: Options, now: number): CommandBuilder {
  const [from, until] = [parseTimeOption('--since', options.since), parseTimeOption('--until', options.until)]
  const domain = parseDomain(options)
  const label = parseLabel(options)
  const isLimited = [domain, label, from, until].some((each) => each !== null)
  if (options.emailId !== undefined && (isLimited || options.all === true))
    throw new Fault('bad_request', '--email-id names one mail: pass nothing besides')
  if (!isLimited && options.emailId === undefined && options.all !== true)
    throw new Fault('bad_request', 'name a --domain, a --label, an --email-id or a time, or pass --all')
  const accepted = { from: from ?? 0, until: until ?? now }
  return (account) => ({ kind: 'delete', account, domain, ...(label === null ? accepted : { label, accepted }) })
}

function warmUp(options: Options, now: number): CommandBuilder {
  const { ip: egressIp = '' } = options
  if (isIP(egressIp) === 0) throw new Fault('bad_request', '--ip takes an IP address')
  const startedAt = options.end === true ? null : (parseTimeOption('--from', options.from) ?? now)
  return () => ({ kind: 'warm-up', egressIp, startedAt })
}

function parseDomain({ domain }: Options): string | null {
  if (domain === undefined) return null
  const known = normaliseDomain(domain)
  if (known === null) throw new Fault('bad_request', '--domain takes a domain like example.com')
  return known
}

function parseLabel({ label }: Options): number | null {
  if (label === undefined) return null
  if (!/^[1-9]\d{0,14}$/.test(label)) throw new Fault('bad_request', '--label takes the number of a label (GET /v1/account/labels)')
  return Number(label)
}
