/**
 * queue - the delivery queue by hand: lanes listed, paused, recovered, their rate set, their mail deleted; an IP warmed up
 *
 * Orders go through the store to the node that delivers, which carries them out within a second; where none runs they wait for it.
 *
 * See also: service/deliver/queue-api, http/api/queue (the same by HTTP), docs/QUEUE.md.
 */
import type { Command } from 'commander'
import { isIP } from 'node:net'
import { accountOf } from '../../daemon/accounts.ts'
import { knowDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { LONGEST_MANUAL_PAUSE, type Command as QueueOrder } from '../../queue/schedule/operator-commands.ts'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import type { LaneRow } from '../../store/queue/lane-snapshots.ts'
import { createQueueDesk, type QueueDesk } from '../../service/deliver/queue-api.ts'
import type { Shop } from '../../service/context.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, oneLine, say } from '../output.ts'

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

export const queue: Define = (command) => {
  const named = (child: Command): Command =>
    child.requiredOption('--account <apiUser>', 'whose lanes').option('--domain <domain>', 'one lane')
  command
    .command('list', { isDefault: true })
    .summary('print the lanes: state, reason, next sending time, waiting, rates')
    .option('--account <apiUser>', 'only this account')
    .option('--domain <domain>', 'only this receiving domain')
    .option('--evidence', 'the answers that closed each lane')
    .action(list)
  named(command.command('pause').summary('pause, for at most 15 days'))
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
  named(command.command('rate').summary('set the rate of a lane'))
    .requiredOption('--per-minute <mails|none>', 'mails a minute')
    .action(rate)
  named(command.command('delete').summary('delete mail that waits'))
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
  await withStore(self, async ({ shop }) => {
    const desk = createQueueDesk(shop)
    const account = options.account === undefined ? null : await ownerOf(shop, options.account)
    const names = new Map((await listAccountsForOperator(shop.engine.read)).map((each) => [each.account, each.name]))
    const domain = domainOf(options)
    const { delivering, seenAt } = await desk.delivery()
    let count = 0
    for (let rows = await desk.lanes({ account, domain, after: null, limit: PAGE }); rows.length > 0;) {
      count += rows.length
      for (const [at, line] of columns(rows.map((row) => cellsOf(row, names.get(row.account) ?? '?'))).entries())
        say(line, ...(options.evidence === true ? evidenceLines(rows[at]) : []))
      rows = rows.length < PAGE ? [] : await desk.lanes({ account, domain, after: rows.at(-1) ?? null, limit: PAGE })
    }
    say(`${count} lanes`, ...(delivering ? [] : [notDelivering(seenAt)]))
  })
}

const PAGE = 500

const notDelivering = (seenAt: number | null): string =>
  seenAt === null
    ? 'no node has ever delivered from this store (delivery.mode)'
    : `no node delivers since ${timeOf(seenAt)}: so it stood then`

const timeOf = (at: number): string => new Date(at).toISOString()

function cellsOf({ domain, status }: LaneRow, account: string): string[] {
  const { state, reason, nextSendingAt, waiting, inFlight, rates, perMinute } = status
  const perSecond = [rates.in[2], rates.try[2], rates.out[2]].map((rate) => rate.toFixed(1)).join('/')
  const flight = inFlight === 0 ? '' : ` (${inFlight} in flight)`
  const next = nextSendingAt === null ? '-' : timeOf(nextSendingAt)
  return [
    account,
    oneLine(domain),
    state,
    reason ?? '-',
    next,
    `${waiting} wait${flight}`,
    `in/try/out ${perSecond}${perMinute === null ? '' : `, set to ${perMinute} a minute`}`,
  ]
}

const evidenceLines = (row: LaneRow | undefined): string[] =>
  evidenceFor(0, row?.status.evidence ?? []).map(({ at, code, text }) => `    ${timeOf(at)}  ${code ?? '-'}  ${oneLine(text ?? '')}`)

async function pause(options: Options, self: Command): Promise<void> {
  const { after15Days = 'keep' } = options
  if (after15Days !== 'keep' && after15Days !== 'delete') throw new Fault('bad_request', '--after-15-days takes keep or delete')
  const until = momentOf('--until', options.until)
  await withStore(self, async ({ shop }) => {
    if (until !== null && (until <= shop.now() || until > shop.now() + LONGEST_MANUAL_PAUSE))
      throw new Fault('bad_request', '--until lies ahead, by at most 15 days')
    const account = await ownerOf(shop, options.account)
    await order(shop, { kind: 'pause', account, domain: domainOf(options), until, after15Days })
  })
}

async function recover(options: Options, self: Command): Promise<void> {
  const how = options.probe === true ? 'probe' : 'immediate'
  if ((options.key === undefined) === (options.account === undefined)) throw new Fault('bad_request', 'name an --account or a --key')
  await withStore(self, async ({ shop }) => {
    if (options.key !== undefined) return order(shop, { kind: 'recover-key', key: options.key, how })
    return order(shop, { kind: 'recover', account: await ownerOf(shop, options.account), domain: domainOf(options), how })
  })
}

async function rate(options: Options, self: Command): Promise<void> {
  const domain = domainOf(options)
  const perMinute = options.perMinute === 'none' ? null : Number(options.perMinute)
  if (domain === null) throw new Fault('bad_request', 'a rate is of one lane: name its --domain')
  if (perMinute !== null && !(perMinute > 0)) throw new Fault('bad_request', '--per-minute takes a number above 0, or none')
  await withStore(self, async ({ shop }) => order(shop, { kind: 'rate', account: await ownerOf(shop, options.account), domain, perMinute }))
}

async function remove(options: Options, self: Command): Promise<void> {
  const [from, until] = [momentOf('--since', options.since), momentOf('--until', options.until)]
  const domain = domainOf(options)
  if (domain === null && from === null && until === null && options.all !== true)
    throw new Fault('bad_request', 'name a --domain or a time, or say --all')
  await withStore(self, async ({ shop }) => {
    const account = await ownerOf(shop, options.account)
    await order(shop, { kind: 'delete', account, domain, from: from ?? 0, until: until ?? shop.now() })
  })
}

async function warmUp(options: Options, self: Command): Promise<void> {
  const { ip: egressIp = '' } = options
  if (isIP(egressIp) === 0) throw new Fault('bad_request', '--ip takes an IP address')
  const from = momentOf('--from', options.from)
  await withStore(self, async ({ shop }) =>
    order(shop, { kind: 'warm-up', egressIp, startedAt: options.end === true ? null : (from ?? shop.now()) }),
  )
}

async function order(shop: Shop, command: QueueOrder): Promise<void> {
  const account = 'account' in command ? command.account : 0
  const done: Awaited<ReturnType<QueueDesk['order']>> = await createQueueDesk(shop).order({ account, actor: 'operator', command })
  if (done.state === 'refused') throw new Fault('bad_request', done.said ?? 'the queue cannot do that')
  if (done.state === 'waiting') say(`order ${done.commandId} waits for a node that delivers`)
  else say(`done: ${done.moved} keys and pauses moved, ${done.deleted} mails deleted`)
}

async function ownerOf(shop: Shop, apiUser: string | undefined): Promise<number> {
  const account = await accountOf(shop.engine.read, apiUser ?? '')
  if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser ?? ''}"`)
  return account
}

function domainOf({ domain }: Options): string | null {
  if (domain === undefined) return null
  const known = knowDomain(domain)
  if (known === null) throw new Fault('bad_request', '--domain takes a domain like example.com')
  return known
}

function momentOf(name: string, text: string | undefined): number | null {
  if (text === undefined) return null
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new Fault('bad_request', `${name} takes a time like 2026-11-20T12:00:00Z`)
  return at
}
