/**
 * check-history - compares what clients were told with what the store holds, when everything has come to rest
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Engine } from '../../src/store/engine/engine.ts'
import { childEnvironment, makeTemporaryFolder, MASTER_KEY } from '../support/daemon.ts'
import type { Installation } from './installation.ts'
import type { History } from './load.ts'

/** What was found. Every list is empty if nothing was lost. */
export type Findings = {
  readonly acknowledged: number
  /** Submitted and acknowledged, but without a final status: with the status and the fault of that time. */
  readonly withoutOutcome: readonly string[]
  /** Bounces that were answered with 250 and changed nothing. */
  readonly lostBounces: readonly string[]
  readonly unreadable: number
  /** Accepted more than once by the receiver, though no attempt was recorded as uncertain. */
  readonly sentTwice: readonly string[]
  readonly uncertain: number
  readonly acceptedTwice: number
  readonly withoutWebhook: readonly string[]
  /** Recipients whose bounce was reported before their request. */
  readonly outOfOrder: readonly string[]
  readonly repeatedFacts: number
  /** The output of `bounced rebuild --check`, if it found anything. */
  readonly differences: string
}

/** What is still under way: messages in the queue, and webhook events. '' at rest. */
export async function describeUnrest({ read }: Engine): Promise<string> {
  const queued = await read.all('select delivery_id, attempts, dispatched_at, due_at, fresh from queue_mails order by accepted_at limit 3')
  const events = await read.all('select state, attempts, due_at, error from outbox limit 3')
  const [total] = await read.all('select (select count(*) from queue_mails) as queued, (select count(*) from outbox) as events')
  if (queued.length + events.length === 0) return ''
  const sessions = await read.all(`select pid, state, wait_event, (extract(epoch from now() - xact_start))::int as age,
    pg_blocking_pids(pid)::text as blocked_by, left(query, 120) as query from pg_stat_activity
    where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`)
  return JSON.stringify({ now: Date.now(), total, queued, events, sessions })
}

/** Reads the whole history. Call it at rest. */
export async function checkHistory({ engine, mailbox, url }: Installation, history: History): Promise<Findings> {
  const { read } = engine
  const rows = await read.all('select delivery_id, recipient, status, asynchronous, message_id_header from deliveries')
  const byRecipient = new Map(rows.map((row) => [String(row['recipient']), row]))
  const statusOf = (recipient: string): number => Number(byRecipient.get(recipient)?.['status'] ?? 0)
  const uncertain = new Set(
    (await read.all(`select delivery_id from events where kind = 'attempt' and data like '%"error":"unknown"%'`)).map((row) =>
      String(row['delivery_id']),
    ),
  )
  const acceptedTwice = rows.filter((row) => (mailbox.accepted.get(String(row['message_id_header'])) ?? 0) > 1)
  const count = async (sql: string): Promise<number> => Number((await read.one(sql))?.['n'] ?? 0)
  return {
    acknowledged: history.submitted.size + history.bounced.size,
    withoutOutcome: [...history.submitted]
      .filter(([recipient]) => ![1, 4].includes(statusOf(recipient)))
      .map(([recipient, fault]) => `${recipient}: ${byRecipient.has(recipient) ? `status ${statusOf(recipient)}` : 'no row'} (${fault})`),
    lostBounces: [...history.bounced].filter((recipient) => statusOf(recipient) !== 4),
    unreadable: await count(`select count(*) as n from reports where kind = 'unreadable'`),
    sentTwice: acceptedTwice.filter((row) => !uncertain.has(String(row['delivery_id']))).map((row) => String(row['recipient'])),
    uncertain: uncertain.size,
    acceptedTwice: acceptedTwice.length,
    withoutWebhook: [...history.bounced].filter((recipient) => history.notified.get(recipient)?.includes('invalid') !== true),
    outOfOrder: [...history.notified].filter(([, events]) => events[0] !== 'request').map(([recipient]) => recipient),
    repeatedFacts: await count(
      'select count(*) as n from (select 1 from events group by account_id, subject, delivery_month, dedup_key having count(*) > 1) as repeated',
    ),
    differences: rebuildCheck(url),
  }
}

function rebuildCheck(url: string): string {
  const root = join(import.meta.dirname, '../..')
  const done = spawnSync(process.execPath, [join(root, 'src/cli.ts'), 'rebuild', '--check'], {
    cwd: root,
    env: { ...childEnvironment(), BOUNCED_DATABASE: url, BOUNCED_MASTER_KEY: MASTER_KEY, BOUNCED_DATA: makeTemporaryFolder() },
    encoding: 'utf8',
  })
  return done.status === 0 ? '' : `${done.stdout}${done.stderr}`
}
