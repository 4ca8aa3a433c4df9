/**
 * unanswered-commits.test - a commit takes effect and its answer is lost, the caller hears store_busy and calls again: the store holds what one call leaves
 *
 * The delivery queue is in service/deliver/delivery-loop.test.
 */
import { describe, expect, test } from 'vitest'
import { createVault } from '../../src/config/vault.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../src/mail-auth/verify-signatures.ts'
import { createHttpClient } from '../../src/net/http-post.ts'
import { createSsrfGuard } from '../../src/net/ssrf-guard.ts'
import { createAlertEvaluator } from '../../src/service/alerts/alerts.ts'
import { changeAccountSettings } from '../../src/service/admin/account-settings.ts'
import type { Context } from '../../src/service/context.ts'
import { giveUpOverdue } from '../../src/service/deliver/give-up.ts'
import { createForwardReceiver } from '../../src/service/forward/forward-mail.ts'
import { addForwardDomain } from '../../src/service/forward/forward-domains.ts'
import { addUnsubscribeEntry } from '../../src/service/lists/unsubscribe.ts'
import { createNotifier } from '../../src/service/notify/notifier.ts'
import { createWebhookService } from '../../src/service/notify/webhooks.ts'
import { createReceiver } from '../../src/service/receive/receive.ts'
import { createRegister, type RegisteredRecipient } from '../../src/service/submit/register.ts'
import { createReportAttempts } from '../../src/service/submit/reported-attempts.ts'
import { createSubmit } from '../../src/service/submit/submit.ts'
import { createEngagementRecorder } from '../../src/service/track/engagement-recorder.ts'
import { advanceRetentionCutoffForOperator } from '../../src/store/facts/retention.ts'
import { addWatchCounts } from '../../src/store/facts/watch-counters.ts'
import { quarterHourOf } from '../../src/ledger/project/state.ts'
import { listOutbox } from '../../src/store/webhook/outbox.ts'
import { WEBHOOK_EVENT_NAMES } from '../../src/webhook/payload.ts'
import type { DatabaseReader } from '../../src/store/engine/engine.ts'
import { engines, type EngineUnderTest } from '../support/engines.ts'
import { submissionTo } from '../support/submissions.ts'
import { makeContext, MASTER, type Clock } from '../support/context.ts'
import { startWebhookReceiver } from '../support/receiver.ts'
import { makeIncomingMail, ndr } from '../support/reports.ts'
import { createUnansweredStore, type UnansweredStore } from '../support/unanswered.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const MINUTE = 60_000
const DAY = 1_440 * MINUTE
const CALLER = { account: 1, apiUser: 'ann', ip: '203.0.113.5' }
const NO_PLACES = {
  check: () => Promise.resolve(),
  refresh: () => Promise.resolve(),
  find: () => ({ country: null, region: null, city: null }),
}

const OPEN = { kind: 'open', account: 1, url: null, ip: '198.51.100.7', userAgent: 'x', method: 'GET', purpose: null } as const

type Bench = {
  readonly clock: Clock
  readonly context: Context
  readonly store: UnansweredStore
  readonly vault: ReturnType<typeof createVault>
  readonly poster: ReturnType<typeof createHttpClient>
  /** A registered mail. */
  readonly mail: RegisteredRecipient
}

/** An account with a webhook endpoint for everything, and one mail that it has registered. */
async function startBench(open: EngineUnderTest['open'], url = 'http://127.0.0.1:9/'): Promise<Bench> {
  const store = createUnansweredStore((await open()).engine)
  const clock = { now: T0 }
  const context = await makeContext(store.engine, clock, [{}])
  const vault = createVault(MASTER)
  const guard = createSsrfGuard({ allowPrivate: true, allowHosts: [] })
  const poster = createHttpClient(guard, { connections: 1 })
  const endpoint = { url, name: 'all', events: WEBHOOK_EVENT_NAMES, apiUsers: [], format: 'json', ladder: 'standard' } as const
  await createWebhookService(context, { vault, guard, poster }).add(1, endpoint)
  await addForwardDomain(context, 1, 'in.example.com')
  const call = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {} } as const
  const { recipients } = await createRegister(context)(CALLER, {
    ...call,
    recipients: [{ recipient: 'joe@example.org', contactTypes: null }],
  })
  const [mail] = recipients
  if (mail === undefined) throw new Error('no mail was registered')
  clock.now += MINUTE
  return { clock, context, store, vault, poster, mail }
}

const deliveryIdOf = ({ returnPath }: RegisteredRecipient): string => (returnPath ?? '').slice(1, 14)

const SUBMISSION = submissionTo(['a@example.org', 'b@example.org'], {
  body: { html: '<p>Hello</p>', plain: null },
  requestId: 'request-1',
})

const FIGURES = {
  facts: 'select kind as name, count(*) as n from events group by kind',
  lists: 'select kind as name, count(*) as n from list_events group by kind',
  deliveries: 'select status as name, count(*) as n from deliveries group by status',
  counters: 'select metric as name, sum(n) as n from counters group by metric',
  sites: 'select metric as name, sum(n) as n from site_counters group by metric',
  outbox: 'select kind as name, count(*) as n from outbox group by kind',
  others: `select 'reports' as name, count(*) as n from reports union all select 'queued', count(*) from queue_mails
    union all select 'bodies', count(*) from queue_bodies union all select 'alerts', count(*) from alerts`,
}

/** What the store holds, as counts. */
async function figuresOf(reader: DatabaseReader): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const [table, sql] of Object.entries(FIGURES))
    for (const row of await reader.all(sql)) found[`${table} ${String(row['name'])}`] = Number(row['n'])
  return found
}

const calls: readonly (readonly [string, (bench: Bench) => Promise<unknown>])[] = [
  [
    'a bounce',
    async ({ context, clock, mail }) => {
      const options = { prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS), dryRun: false, notifyReplays: false }
      const raw = ndr({ token: (mail.returnPath ?? '').split('@')[0] ?? '', recipient: 'joe@example.org' })
      await createReceiver(context, options).submit(makeIncomingMail(raw, mail.returnPath ?? '', { at: clock.now, receivedAt: clock.now }))
    },
  ],
  [
    'mail for an inbound domain',
    async ({ context, clock }) => {
      const raw = 'From: joe@example.org\r\nSubject: question\r\n\r\nHello\r\n'
      await createForwardReceiver(context).submit(makeIncomingMail(raw, 'help@in.example.com', { at: clock.now, receivedAt: clock.now }))
    },
  ],
  ['a submission with a request id', ({ context }) => createSubmit(context)(CALLER, SUBMISSION)],
  [
    'a reported attempt',
    async ({ context, mail }) => {
      const attempt = { emailId: mail.emailId, code: 550, text: '5.1.1 no such user', error: null, mx: null, egressIp: null, attempt: 1 }
      await createReportAttempts(context)(CALLER, [{ ...attempt, final: true, at: null }])
    },
  ],
  [
    'an open',
    async ({ context, clock, mail }) => {
      const recorder = createEngagementRecorder(context, { durable: true, waiting: 10, places: NO_PLACES })
      await recorder.record({ ...OPEN, deliveryId: deliveryIdOf(mail), receivedAt: clock.now })
    },
  ],
  ['an entry of the unsubscribe list', ({ context }) => addUnsubscribeEntry(context, CALLER, 'jim@example.org', 1)],
  [
    'a delivery that is given up',
    async ({ context, clock }) => {
      clock.now = T0 + 9 * DAY
      await giveUpOverdue(context)
    },
  ],
  [
    'an alert',
    async ({ context }) => {
      const options = { rules: { rules: [], mailTo: [] }, mailer: null, operator: () => Promise.resolve(1) }
      await createAlertEvaluator(context, options).evaluate()
    },
  ],
]

describe.each(engines)('$kind', ({ open }) => {
  test.each(calls)('%s', async (_, call) => {
    const prepare = async (): Promise<Bench> => {
      const bench = await startBench(open)
      await changeAccountSettings(bench.context, {
        account: 1,
        actor: 'operator',
        byOperator: true,
        change: { giveUpAfterDays: 7 },
        version: null,
      })
      const count = { account: 1, quarter: quarterHourOf(bench.clock.now), metric: 'webhook-refused', name: '1', n: 900 } as const
      await bench.store.engine.tx((db) => addWatchCounts(db, [count]))
      bench.context.accountCache.invalidate()
      return bench
    }
    const [once, twice] = [await prepare(), await prepare()]
    const before = await figuresOf(once.context.engine.read)
    await call(once)
    expect(await twice.store.withoutAnswers(() => call(twice))).toMatchObject({ code: 'store_busy' })
    await call(twice)
    const after = await figuresOf(once.context.engine.read)
    expect(after).not.toEqual(before)
    expect(await figuresOf(twice.context.engine.read)).toEqual(after)
  })

  test('counts of the alerts', async () => {
    const { context, store } = await startBench(open)
    context.counterBuffer.count([], 3)
    expect(await store.withoutAnswers(() => context.counterBuffer.flush(context.engine))).toMatchObject({ code: 'store_busy' })
    context.counterBuffer.count([], 2)
    await context.counterBuffer.flush(context.engine)
    const row = await context.engine.read.one("select sum(n) as n from watch_counters where metric = 'mails'")
    expect(Number(row?.['n'])).toBe(5)
  })

  test('an open of a mail that is not stored any more, which the recorder tries again', async () => {
    const { context, store, clock, mail } = await startBench(open)
    await context.engine.tx(async (db) => {
      await db.run('delete from deliveries')
      await advanceRetentionCutoffForOperator(db, T0 + DAY)
    })
    context.accountCache.invalidate()
    const recorder = createEngagementRecorder(context, { durable: false, waiting: 10, places: NO_PLACES })
    const opens = async (): Promise<number> =>
      Number((await context.engine.read.one("select coalesce(sum(n), 0) as n from counters where metric = 'open'"))?.['n'])
    await store.withoutAnswers(async () => {
      await recorder.record({ ...OPEN, deliveryId: deliveryIdOf(mail), receivedAt: clock.now })
      await expect.poll(opens).toBe(1)
    })
    // The last try is made at once.
    await recorder.close()
    expect(await opens()).toBe(1)
  })

  test('webhooks: an event whose claim was not answered is sent when the claim has expired; one that was heard is not sent again', async () => {
    const hooks = await startWebhookReceiver()
    const { context, store, clock, vault, poster } = await startBench(open, hooks.url)
    const options = { vault, poster, forwardBodies: () => Promise.resolve(null), replayWhenWell: true, recordDays: 7, recordTries: 3 }
    const notifier = createNotifier(context, options)
    const run = async (): Promise<number> => {
      await notifier.tick()
      await notifier.waitUntilIdle()
      return hooks.requests.length
    }
    await store.withoutAnswers(run)
    expect([hooks.requests.length, await run()]).toEqual([0, 0])
    clock.now += MINUTE
    const heard = Promise.withResolvers<void>()
    hooks.respond = (_, response) => {
      void store.withoutAnswers(() => heard.promise)
      response.writeHead(200).end()
    }
    expect(await run()).toBe(1)
    heard.resolve()
    clock.now += MINUTE
    expect(await run()).toBe(1)
    expect(await listOutbox(context.engine.read, 1, 1, 10)).toEqual([])
    await poster.close()
    await hooks.close()
  })
})
