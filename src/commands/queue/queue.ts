/**
 * queue - the delivery queue by hand: lanes listed, paused, recovered, their rate set, their mail deleted; an IP warmed up
 *
 * Orders go through the store to the node that delivers, which carries them out within a second; where none runs they wait for it.
 *
 * See also: service/deliver/queue-api, http/api/queue (the same by HTTP), docs/QUEUE.md.
 */
import type { Command } from 'commander'
import { isIP } from 'node:net'
import { findAccountByApiUser } from '../../daemon/accounts.ts'
import { normaliseDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { MAX_MANUAL_PAUSE_MS, type OperatorCommand as QueueOrder } from '../../queue/schedule/operator-commands.ts'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import type { LaneSnapshotRow } from '../../store/queue/lane-snapshots.ts'
import { createQueueApi, type QueueApi } from '../../service/deliver/queue-api.ts'
import type { Context } from '../../service/context.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'

type Options = {
  readonly account?: string
  readonly domain?: string
  readonly until?: string
  readonly since?: string
  readonly after15Days?: string
  readonly probe?: true
  readonly key?: string
  readonly perMinute?: string
  readonly all?: true
  readonly ip?: string
  readonly from?: string
  readonly end?: true
  readonly evidence?: true
}

export const queueCommand: DefineCommand = (command) => {
  const withLaneOptions = (child: Command): Command =>
    child.requiredOption('--account <apiUser>', 'whose lanes').option('--domain <domain>', 'one lane')
  command
    .command('list', { isDefault: true })
    .summary('print the lanes: state, reason, next sending time, waiting, rates')
    .option('--account <apiUser>', 'only this account')
    .option('--domain <domain>', 'only this receiving domain')
    .option('--evidence', 'the answers that closed each lane')
    .action(list)
  withLaneOptions(command.command('pause').summary('pause, for at most 15 days'))
    .option('--until <time>', 'when it ends (ISO 8601); left out: in 15 days')
    .option('--after-15-days <keep|delete>', 'what becomes of the mail where no end was given', 'keep')
    .action(pause)
  command
    .command('recover')
    .summary('go on: lanes of an account, or one key')
    .option('--account <apiUser>', 'whose lanes')
    .option('--domain <domain>', 'one lane')
    .option('--key <key>', 'one key, whoever waits behind it')
    .option('--probe', 'five mails first')
    .action(recover)
  withLaneOptions(command.command('rate').summary('set the rate of a lane'))
    .requiredOption('--per-minute <mails|none>', 'mails a minute')
    .action(rate)
  withLaneOptions(command.command('delete').summary('delete mail that waits'))
    .option('--since <time>', 'accepted at or after (ISO 8601)')
    .option('--until <time>', 'accepted before')
    .option('--all', 'all that waits')
    .action(remove)
  command
    .command('warm-up')
    .summary('an IP begins its warm-up, or ends it')
    .requiredOption('--ip <address>', 'the egress IP')
    .option('--from <time>', 'its first day; left out: now')
    .option('--end', 'it is warm')
    .action(warmUp)
}

async function list(options: Options, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const queueApi = createQueueApi(context)
    const account = options.account === undefined ? null : await requireAccount(context, options.account)
    const names = new Map((await listAccountsForOperator(context.engine.read)).map((each) => [each.account, each.name]))
    const domain = parseDomain(options)
    const { delivering, seenAt } = await queueApi.deliveryStatus()
    let count = 0
    for (let rows = await queueApi.listLanes({ account, domain, after: null, limit: PAGE_SIZE }); rows.length > 0;) {
      count += rows.length
      for (const [at, line] of formatColumns(rows.map((row) => laneCells(row, names.get(row.account) ?? '?'))).entries())
        printLines(line, ...(options.evidence === true ? evidenceLines(rows[at]) : []))
      rows = rows.length < PAGE_SIZE ? [] : await queueApi.listLanes({ account, domain, after: rows.at(-1) ?? null, limit: PAGE_SIZE })
    }
    printLines(`${count} lanes`, ...(delivering ? [] : [notDeliveringLine(seenAt)]))
  })
}

const PAGE_SIZE = 500

const notDeliveringLine = (seenAt: number | null): string =>
  seenAt === null
    ? 'no node has ever delivered from this store (delivery.mode)'
    : `no node delivers since ${formatTime(seenAt)}: so it stood then`

const formatTime = (at: number): string => new Date(at).toISOString()

function laneCells({ domain, status }: LaneSnapshotRow, account: string): string[] {
  const { state, reason, nextSendingAt, waiting, inFlight, rates, perMinute } = status
  const perSecond = [rates.in[2], rates.try[2], rates.out[2]].map((rate) => rate.toFixed(1)).join('/')
  const inFlightNote = inFlight === 0 ? '' : ` (${inFlight} in flight)`
  const nextAttempt = nextSendingAt === null ? '-' : formatTime(nextSendingAt)
  return [
    account,
    toSingleLine(domain),
    state,
    reason ?? '-',
    nextAttempt,
    `${waiting} wait${inFlightNote}`,
    `in/try/out ${perSecond}${perMinute === null ? '' : `, set to ${perMinute} a minute`}`,
  ]
}

const evidenceLines = (row: LaneSnapshotRow | undefined): string[] =>
  evidenceFor(0, row?.status.evidence ?? []).map(
    ({ at, code, text }) => `    ${formatTime(at)}  ${code ?? '-'}  ${toSingleLine(text ?? '')}`,
  )

async function pause(options: Options, self: Command): Promise<void> {
  const { after15Days = 'keep' } = options
  if (after15Days !== 'keep' && after15Days !== 'delete') throw new Fault('bad_request', '--after-15-days takes keep or delete')
  const until = parseTime('--until', options.until)
  await withStore(self, async ({ context }) => {
    if (until !== null && (until <= context.now() || until > context.now() + MAX_MANUAL_PAUSE_MS))
      throw new Fault('bad_request', '--until lies ahead, by at most 15 days')
    const account = await requireAccount(context, options.account)
    await submitCommand(context, { kind: 'pause', account, domain: parseDomain(options), until, after15Days })
  })
}

async function recover(options: Options, self: Command): Promise<void> {
  const how = options.probe === true ? 'probe' : 'immediate'
  if ((options.key === undefined) === (options.account === undefined)) throw new Fault('bad_request', 'name an --account or a --key')
  await withStore(self, async ({ context }) => {
    if (options.key !== undefined) return submitCommand(context, { kind: 'recover-key', key: options.key, how })
    return submitCommand(context, {
      kind: 'recover',
      account: await requireAccount(context, options.account),
      domain: parseDomain(options),
      how,
    })
  })
}

async function rate(options: Options, self: Command): Promise<void> {
  const domain = parseDomain(options)
  const perMinute = options.perMinute === 'none' ? null : Number(options.perMinute)
  if (domain === null) throw new Fault('bad_request', 'a rate is of one lane: name its --domain')
  if (perMinute !== null && !(perMinute > 0)) throw new Fault('bad_request', '--per-minute takes a number above 0, or none')
  await withStore(self, async ({ context }) =>
    submitCommand(context, { kind: 'rate', account: await requireAccount(context, options.account), domain, perMinute }),
  )
}

async function remove(options: Options, self: Command): Promise<void> {
  const [from, until] = [parseTime('--since', options.since), parseTime('--until', options.until)]
  const domain = parseDomain(options)
  if (domain === null && from === null && until === null && options.all !== true)
    throw new Fault('bad_request', 'name a --domain or a time, or say --all')
  await withStore(self, async ({ context }) => {
    const account = await requireAccount(context, options.account)
    await submitCommand(context, { kind: 'delete', account, domain, from: from ?? 0, until: until ?? context.now() })
  })
}

async function warmUp(options: Options, self: Command): Promise<void> {
  const { ip: egressIp = '' } = options
  if (isIP(egressIp) === 0) throw new Fault('bad_request', '--ip takes an IP address')
  const from = parseTime('--from', options.from)
  await withStore(self, async ({ context }) =>
    submitCommand(context, { kind: 'warm-up', egressIp, startedAt: options.end === true ? null : (from ?? context.now()) }),
  )
}

async function submitCommand(context: Context, command: QueueOrder): Promise<void> {
  const account = 'account' in command ? command.account : 0
  const result: Awaited<ReturnType<QueueApi['submitCommand']>> = await createQueueApi(context).submitCommand({
    account,
    actor: 'operator',
    command,
  })
  if (result.state === 'refused') throw new Fault('bad_request', result.said ?? 'the queue cannot do that')
  if (result.state === 'waiting') printLines(`order ${result.commandId} waits for a node that delivers`)
  else printLines(`done: ${result.moved} keys and pauses moved, ${result.deleted} mails deleted`)
}

async function requireAccount(context: Context, apiUser: string | undefined): Promise<number> {
  const account = await findAccountByApiUser(context.engine.read, apiUser ?? '')
  if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser ?? ''}"`)
  return account
}

function parseDomain({ domain }: Options): string | null {
  if (domain === undefined) return null
  const known = normaliseDomain(domain)
  if (known === null) throw new Fault('bad_request', '--domain takes a domain like example.com')
  return known
}

function parseTime(name: string, text: string | undefined): number | null {
  if (text === undefined) return null
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new Fault('bad_request', `${name} takes a time like 2026-11-20T12:00:00Z`)
  return at
}
