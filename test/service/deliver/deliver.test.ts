/**
 * deliver.test - from the queue's table to a status: sending, retries, expiry, recalls and restarts
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ALL_LANE_GROUPS } from '../../../src/queue/lane-group.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { createSmarthostRouter } from '../../../src/smtp-client/routing.ts'
import { createSmtpTransport } from '../../../src/smtp-client/smtp-transport.ts'
import type { SmtpOutcome, OutgoingMail } from '../../../src/smtp-client/transport.ts'
import { Fault } from '../../../src/errors.ts'
import { parseShapingFile } from '../../../src/config/shaping-files.ts'
import { buildShapingTable } from '../../../src/queue/shaping/shaping-table.ts'
import type { OperatorCommand } from '../../../src/queue/schedule/operator-commands.ts'
import { RETRY_SCHEDULES } from '../../../src/queue/schedule/retry.ts'
import { findDeliveriesByIds } from '../../../src/store/mail/deliveries.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { markDispatchedForOperator, listQueuedMessagesForOperator } from '../../../src/store/queue/queued-mail.ts'
import { QUEUED_LABELS } from '../../../src/store/migrations/queued-labels.ts'
import { addQueueCommand, findQueueCommand } from '../../../src/store/queue/commands.ts'
import { findWaitingReason } from '../../../src/service/deliver/observe/waiting-message.ts'
import { createDeliverer } from '../../../src/service/deliver/deliverer.ts'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import { signMailTokens } from '../../../src/service/submit/mail-tokens.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import type { Context } from '../../../src/service/context.ts'
import {
  delivererOptions,
  createFunctionTransport,
  ACCEPTED,
  queueMails,
  refusedOutcome,
  UNREACHABLE,
  waitUntil,
  type Deliverer,
  type DelivererOptions,
} from '../../support/delivery.ts'
import { engines } from '../../support/engines.ts'
import { countQueued } from '../../support/look.ts'
import { startMailbox } from '../../support/mailbox.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext } from '../../support/context.ts'

/** Allows for the time between reading the clock and calling the transport. */
const CLOCK_TICK_MS = 50

const users = (n: number, domain = 'example.net'): string[] => Array.from({ length: n }, (_, i) => `user${i}@${domain}`)

/** Receives an NDR about a delivery, as any node can. */
async function bounceLater(
  context: Context,
  { deliveryId, recipient }: { readonly deliveryId: string; readonly recipient: string },
): Promise<void> {
  const snapshot = await context.accountCache.snapshot()
  const { returnPath } = signMailTokens(snapshot, context.domains, { deliveryId, keyIndex: snapshot.signingIndex })
  const receiver = createReceiver(context, {
    prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
    dryRun: false,
    notifyReplays: false,
  })
  const raw = ndr({ token: returnPath.slice(0, returnPath.indexOf('@')), recipient })
  await receiver.submit(makeIncomingMail(raw, returnPath, { at: context.now(), receivedAt: context.now() }))
  await receiver.waitUntilIdle()
}

describe.each(engines)('deliver: $kind', ({ open }) => {
  let engine: Engine
  let url: string
  let context: Context
  const running: Deliverer[] = []
  const sent: OutgoingMail[] = []
  beforeEach(async () => {
    const opened = await open()
    engine = opened.engine
    url = opened.url
    const clock = {
      get now() {
        return Date.now()
      },
    }
    context = await makeContext(engine, clock)
    sent.length = 0
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.close()))
  })

  const run = (answer: (mail: OutgoingMail) => SmtpOutcome | Promise<SmtpOutcome>, more: Partial<DelivererOptions> = {}): Deliverer => {
    const transport = createFunctionTransport((mail) => {
      sent.push(mail)
      return answer(mail)
    })
    const deliverer = createDeliverer(context, delivererOptions(transport, more))
    running.push(deliverer)
    deliverer.start()
    return deliverer
  }
  const namesSent = (): string[] => sent.map(({ mailFrom: from }) => from.slice(0, from.indexOf('@')))
  const waiting = async (): Promise<number> => (await countQueued(engine.read)).waiting
  const rowsOf = async (ids: readonly string[]) => {
    const rows = await findDeliveriesByIds(engine.read, 1, ids)
    return ids.map((id) => rows.find(({ deliveryId }) => deliveryId === id))
  }
  const factsFor = async (id = '') =>
    (await findFactsBySubject(engine.read, [{ account: 1, subject: id }])).filter(({ kind }) => kind !== 'request')

  test('messages queued before and after the start are delivered once, and leave no rows behind', async () => {
    const first = await queueMails(context, users(30))
    run(() => ACCEPTED)
    await waitUntil(async () => (await waiting()) === 0)
    const second = await queueMails(context, users(30, 'example.com'))
    context.engine.nudges.send()
    await waitUntil(async () => (await waiting()) === 0)
    expect((await rowsOf([...first, ...second])).map((row) => row?.status)).toEqual(Array(60).fill(1))
    expect(namesSent().toSorted()).toEqual([...first, ...second].toSorted())
    expect(await engine.read.one('select count(*) as n from queue_bodies')).toEqual({ n: 0 })
    const [row] = await rowsOf(first.slice(0, 1))
    expect(row).toMatchObject({ mx: 'mx.example.net', egressIp: '192.0.2.1', attempts: 1, result: 'delivered' })
  })

  test('a message that another node accepted is found without a nudge', async () => {
    run(() => ACCEPTED)
    await waitUntil(() => running[0]?.isDelivering() === true)
    await queueMails(context, users(3))
    await waitUntil(async () => (await waiting()) === 0)
    expect(sent).toHaveLength(3)
  })

  test('a nudge of another node is enough: nothing waits for the next poll', async () => {
    // On a clock for intervals that stands still, no poll is ever due.
    const startedAt = context.elapsed()
    context = { ...context, elapsed: () => startedAt }
    run(() => ACCEPTED)
    await waitUntil(() => running[0]?.isDelivering() === true)
    await queueMails(context, users(3))
    const other = await openEngine(url)
    try {
      await waitUntil(async () => {
        if (other.kind === 'postgres') other.nudges.send()
        else engine.nudges.send()
        return (await waiting()) === 0
      })
    } finally {
      await other.close()
    }
    expect(sent).toHaveLength(3)
  })

  test('a permanent refusal ends the message with its reason, and the source is the queue', async () => {
    const [id] = await queueMails(context, users(1))
    run(() => refusedOutcome(550, '5.1.1 The email account that you tried to reach does not exist'))
    await waitUntil(async () => (await waiting()) === 0)
    expect((await rowsOf([id ?? '']))[0]).toMatchObject({ status: 4, reason: 'not-exist', asynchronous: false })
    expect((await factsFor(id)).map(({ data }) => data)).toMatchObject([{ n: 1, source: 'queue', final: true, code: 550 }])
  })

  test('a deferred message is retried by the schedule, and its attempts are numbered', async () => {
    const [id] = await queueMails(context, users(1))
    const retry = { ...RETRY_SCHEDULES.default, delaysMs: [40] }
    run(() => (sent.length < 3 ? refusedOutcome(452, '4.2.2 The email account that you tried to reach is over quota') : ACCEPTED), {
      retry,
    })
    await waitUntil(async () => (await waiting()) === 0)
    expect((await factsFor(id)).map(({ data }) => data)).toMatchObject([
      { n: 1, final: false },
      { n: 2, final: false },
      { n: 3, final: true },
    ])
    expect((await rowsOf([id ?? '']))[0]).toMatchObject({ status: 1, attempts: 3 })
  })

  test('a backoff of the provider also holds messages whose domain DNS could not resolve at first', async () => {
    let lookUps = 0
    const known = { site: 'big', gateway: false, mxSet: 'mx.big.example' }
    const resolveDestination = async (domain: string) => {
      if (domain === 'example.com') lookUps += 1
      return domain === 'example.com' && lookUps === 1 ? { site: domain, gateway: false, mxSet: '' } : known
    }
    run(() => refusedOutcome(550, '5.7.1 [192.0.2.1] is listed at zen.spamhaus.org'), { resolveDestination })
    await queueMails(context, users(1))
    context.engine.nudges.send()
    await waitUntil(() => Promise.resolve(sent.length === 1))
    await queueMails(context, users(3, 'example.com'))
    context.engine.nudges.send()
    await waitUntil(() => Promise.resolve(lookUps > 3))
    await waitUntil(async () => (await engine.read.all('select 1 from queue_mails where dispatched_at is null')).length === 3)
    expect(sent).toHaveLength(1)
  })

  test('an expired message is a soft bounce with the reason of its last reply', async () => {
    const [id] = await queueMails(context, users(1))
    run(() => refusedOutcome(452, '4.2.2 The email account that you tried to reach is over quota'), {
      // The next attempt would come after the end of its time.
      retry: { ...RETRY_SCHEDULES.default, delaysMs: [120_000], giveUpMs: 60_000 },
    })
    await waitUntil(async () => (await waiting()) === 0)
    expect((await rowsOf([id ?? '']))[0]).toMatchObject({ status: 5, reason: 'mailbox-full', permanence: 'temporary' })
    expect((await factsFor(id)).at(-1)?.kind).toBe('gave-up')
  })

  test('a message that could not be built until it expired ends with that cause, and its timeline says so', async () => {
    const [id] = await queueMails(context, users(1))
    run(() => ACCEPTED, {
      render: () => Promise.reject(new Error('no key')),
      retry: { ...RETRY_SCHEDULES.default, delaysMs: [40, 120_000], giveUpMs: 60_000 },
    })
    await waitUntil(async () => (await waiting()) === 0)
    expect(sent).toEqual([])
    expect((await factsFor(id)).map(({ kind, data }) => [kind, data])).toMatchObject([
      ['attempt', { n: 2, code: null, error: null, final: false, text: 'the sending node could not compose this mail; nothing was sent' }],
      ['gave-up', { verdict: { reason: 'other' } }],
    ])
    expect((await rowsOf([id ?? '']))[0]).toMatchObject({ status: 5, reason: 'other', permanence: 'temporary' })
  })

  test('a message that is refused for its egress IP is sent from another', async () => {
    const [id] = await queueMails(context, users(1))
    run(({ egressIp }) => (egressIp === '192.0.2.1' ? refusedOutcome(550, '5.7.1 [192.0.2.1] is listed at zen.spamhaus.org') : ACCEPTED), {
      pools: { '*': ['192.0.2.1', '192.0.2.2'] },
    })
    await waitUntil(async () => (await waiting()) === 0)
    expect(sent.map(({ egressIp }) => egressIp)).toEqual(['192.0.2.1', '192.0.2.2'])
    expect((await rowsOf([id ?? '']))[0]).toMatchObject({ status: 1, egressIp: '192.0.2.2' })
  })

  test('rules choose the pool by label and sender domain, also for mail that waited at the start', async () => {
    const [labelled, plain] = await queueMails(context, users(2))
    await engine.tx((db) => db.run("update queue_mails set label_name = 'Receipt' where delivery_id = $1", [labelled ?? '']))
    await engine.tx((db) => db.run("update queue_mails set sender_domain = 'example.net' where delivery_id = $1", [plain ?? '']))
    run(() => ACCEPTED, {
      pools: { '*': ['192.0.2.1'], receipts: ['192.0.2.8'], other: ['192.0.2.9'] },
      poolRules: [
        { label: 'receipt', pool: 'receipts' },
        { senderDomain: 'example.net', pool: 'other' },
      ],
    })
    await waitUntil(async () => (await waiting()) === 0)
    expect((await rowsOf([labelled ?? '']))[0]).toMatchObject({ status: 1, egressIp: '192.0.2.8' })
    expect((await rowsOf([plain ?? '']))[0]).toMatchObject({ status: 1, egressIp: '192.0.2.9' })
  })

  test('an unreachable host pauses its key; the messages stay, and the backoff survives a restart', async () => {
    await queueMails(context, users(20))
    const deliverer = run(() => UNREACHABLE)
    await waitUntil(async () => Number((await engine.read.one('select count(*) as n from queue_keys'))?.['n']) > 0)
    await waitUntil(() => sent.length >= 2)
    await deliverer.close()
    const sentBefore = sent.length
    const again = run(() => ACCEPTED)
    await waitUntil(() => again.isDelivering())
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(sent.length).toBe(sentBefore)
    expect(await waiting()).toBe(20)
    const notified = await engine.read.all("select account_id from events where kind = 'queue' order by account_id")
    expect(notified.map((row) => row['account_id'])).toEqual([0, 1])
  })

  test('a message that was marked before a kill is counted, recorded in its timeline, and sent again with the same names', async () => {
    const [id = '', other = ''] = await queueMails(context, users(2))
    const [mail] = await listQueuedMessagesForOperator(engine.read, { groups: ALL_LANE_GROUPS, after: null, limit: 1 })
    if (mail === undefined) throw new Error('no mail')
    await engine.tx((db) => markDispatchedForOperator(db, [mail], { at: context.now(), markedBy: 'test 1', groups: ALL_LANE_GROUPS }))
    run(() => ACCEPTED)
    await waitUntil(async () => (await waiting()) === 0)
    expect(namesSent().toSorted()).toEqual([id, other].toSorted())
    expect((await factsFor(mail.deliveryId)).map(({ data }) => data)).toMatchObject([
      { n: 1, error: 'unknown', final: false },
      { n: 2, code: 250 },
    ])
    expect((await context.telemetry.metrics()).text).toContain('bounced_queue_uncertain_total 1')
  })

  test('a message that is no longer in the store is not sent', async () => {
    const ids = await queueMails(context, users(40))
    let release: (outcome: SmtpOutcome) => void = () => undefined
    const held = new Promise<SmtpOutcome>((resolve) => {
      release = resolve
    })
    run(() => held, { concurrencyLimit: 1, siteConcurrencyLimit: 1 })
    await waitUntil(() => sent.length === 1)
    const first = sent[0]?.mailFrom.split('@')[0]
    await engine.tx((db) => db.run('delete from queue_mails where delivery_id <> $1', [first ?? '']))
    release(ACCEPTED)
    await waitUntil(async () => (await waiting()) === 0)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(sent.length).toBeLessThanOrEqual(2)
    expect((await rowsOf(ids)).filter((row) => row?.status === 1).length).toBe(sent.length)
  })

  test('on close, running attempts end and are recorded, and no attempt begins', async () => {
    const ids = await queueMails(context, users(50))
    const deliverer = run(() => new Promise((resolve) => setTimeout(() => resolve(ACCEPTED), 100)), {
      concurrencyLimit: 5,
      siteConcurrencyLimit: 5,
    })
    await waitUntil(() => sent.length >= 5)
    await deliverer.close()
    const delivered = (await rowsOf(ids)).filter((row) => row?.status === 1)
    expect(delivered.length).toBe(sent.length)
    expect(await countQueued(engine.read)).toEqual({ waiting: 50 - sent.length, dispatched: 0 })
  })

  test('two nodes share the mail, and one delivers all when the other closes; nothing is sent twice', async () => {
    const domains = Array.from({ length: 20 }, (_, n) => `d${n}.example.net`)
    const [byA, byB] = [new Set<string>(), new Set<string>()]
    const replyOf = (by: Set<string>) => (mail: OutgoingMail) => {
      by.add(mail.domain)
      return ACCEPTED
    }
    const groupsOf = async (node: string): Promise<number> =>
      Number((await engine.read.one('select count(*) as n from queue_groups where node = $1', [node]))?.['n'])
    const a = run(replyOf(byA), { node: 'a', leaseMs: 5_000 })
    await waitUntil(async () => (await groupsOf('a')) === 64)
    const b = run(replyOf(byB), { node: 'b', leaseMs: 5_000 })
    await waitUntil(async () => (await groupsOf('a')) === 32 && (await groupsOf('b')) === 32)
    await queueMails(
      context,
      domains.map((domain) => `user@${domain}`),
    )
    await waitUntil(async () => (await waiting()) === 0)
    expect([a.isDelivering(), b.isDelivering()]).toEqual([true, true])
    expect([byA.size > 0, byB.size > 0, byA.size + byB.size]).toEqual([true, true, 20])
    await a.close()
    await queueMails(
      context,
      domains.map((domain) => `other@${domain}`),
    )
    await waitUntil(async () => (await waiting()) === 0)
    expect(byB.size).toBe(20)
    expect(new Set(sent.map(({ mailFrom: from }) => from)).size).toBe(40)
    expect(sent).toHaveLength(40)
  })

  test('an attempt that ends after its lane group has moved to another node teaches the keys of that node', async () => {
    const domains = Array.from({ length: 20 }, (_, n) => `d${n}.example.net`)
    const replies: (() => void)[] = []
    const hang = (): Promise<SmtpOutcome> => new Promise((resolve) => replies.push(() => resolve(UNREACHABLE)))
    const a = run(hang, { node: 'a', leaseMs: 5_000, concurrencyLimit: 200 })
    await waitUntil(() => a.isDelivering())
    await queueMails(
      context,
      domains.map((domain) => `user@${domain}`),
    )
    await waitUntil(() => replies.length === 20)
    run(() => ACCEPTED, { node: 'b', leaseMs: 5_000 })
    const groupsOfB = "select count(*) as n from queue_groups where node = 'b'"
    await waitUntil(async () => Number((await engine.read.one(groupsOfB))?.['n']) === 32)
    for (const reply of replies) reply()
    const paused = `select key from queue_keys where key like 'network|mx|%' and data like '%"state":"paused"%'`
    const keysOf = async (): Promise<readonly string[]> => (await engine.read.all(paused)).map((row) => String(row['key']))
    await waitUntil(async () => (await keysOf()).length >= 20)
    expect((await keysOf()).toSorted()).toEqual(domains.map((domain) => `network|mx|mx.${domain}`).toSorted())
    expect(await engine.read.one('select count(*) as n from queue_late_results')).toEqual({ n: 0 })
  })

  test('a command to two nodes is done when both have run it, and changes the mail of both', async () => {
    const domains = Array.from({ length: 20 }, (_, n) => `d${n}.example.net`)
    const later = refusedOutcome(452, '4.2.2 mailbox is over quota')
    const nodes = ['a', 'b'].map((node) => run(() => later, { node, leaseMs: 5_000 }))
    await waitUntil(() => nodes.every((each) => each.isDelivering()))
    await queueMails(
      context,
      domains.map((domain) => `user@${domain}`),
    )
    await waitUntil(async () => sent.length >= 20 && (await countQueued(engine.read)).dispatched === 0)
    const command = { kind: 'delete', account: 1, domain: null, from: 0, until: context.now() + 1_000_000 } as const
    const base = { account: 1, actor: 'user', createdAt: context.now(), settledAt: null, moved: 0, deleted: 0, said: null } as const
    const commandId = context.ids.next(context.now())
    await engine.tx((db) => addQueueCommand(db, { ...base, commandId, command, state: 'waiting' }))
    await waitUntil(async () => (await findQueueCommand(engine.read, 1, commandId))?.state === 'done')
    expect(await findQueueCommand(engine.read, 1, commandId)).toMatchObject({ state: 'done', deleted: 20, moved: 0 })
    expect(await engine.read.one('select count(distinct node) as n from queue_command_results')).toEqual({ n: 2 })
    await waitUntil(async () => (await waiting()) === 0)
    const pauseId = context.ids.next(context.now())
    const pause = { kind: 'pause', account: 1, domain: null, until: null, after15Days: 'keep' } as const
    await engine.tx((db) => addQueueCommand(db, { ...base, commandId: pauseId, command: pause, state: 'waiting' }))
    await waitUntil(async () => (await findQueueCommand(engine.read, 1, pauseId))?.state === 'done')
    expect(await findQueueCommand(engine.read, 1, pauseId)).toMatchObject({ moved: 1 })
    expect(await engine.read.one("select count(*) as n from queue_keys where key = 'manual|1|*'")).toEqual({ n: 1 })
    const before = sent.length
    await queueMails(
      context,
      domains.map((domain) => `held@${domain}`),
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(sent).toHaveLength(before)
  })

  test('a paused label holds its mail on each node, after a restart, and until it is deleted', async () => {
    const domains = Array.from({ length: 12 }, (_, n) => `d${n}.example.net`)
    const base = { account: 1, actor: 'user', createdAt: context.now(), settledAt: null, moved: 0, deleted: 0, said: null } as const
    const give = async (command: OperatorCommand): Promise<object | null> => {
      const commandId = context.ids.next(context.now())
      await engine.tx((db) => addQueueCommand(db, { ...base, commandId, command, state: 'waiting' }))
      await waitUntil(async () => (await findQueueCommand(engine.read, 1, commandId))?.state === 'done')
      return findQueueCommand(engine.read, 1, commandId)
    }
    const queueLabelled = async (name: string): Promise<readonly string[]> => {
      const ids = await queueMails(
        context,
        domains.map((domain) => `${name}@${domain}`),
      )
      // As the upgrade finds mail that was queued before it.
      await engine.tx((db) => db.run('update deliveries set label_id = 12'))
      for (const sql of QUEUED_LABELS.statements.slice(1)) await engine.tx((db) => db.run(sql))
      return ids
    }
    const first = run(() => ACCEPTED, { node: 'a' })
    await waitUntil(() => first.isDelivering())
    expect(await give({ kind: 'pause', account: 1, domain: null, label: 12, until: null, after15Days: 'keep' })).toMatchObject({ moved: 1 })
    await first.close()
    const [held = ''] = await queueLabelled('held')
    const nodes = ['a', 'b'].map((node) => run(() => ACCEPTED, { node, leaseMs: 5_000 }))
    await waitUntil(() => nodes.every((each) => each.isDelivering()))
    const free = await queueMails(context, ['free@d0.example.net', 'free@d1.example.net'])
    await waitUntil(() => sent.length === 2)
    expect(namesSent().toSorted()).toEqual([...free].toSorted())
    await waitUntil(async () => (await findWaitingReason(engine.read, { account: 1, deliveryId: held }, context.now()))?.state === 'held')
    const why = await findWaitingReason(engine.read, { account: 1, deliveryId: held }, context.now())
    expect(why).toMatchObject({ key: 'manual|1|*|12', reason: 'Paused by user' })
    const accepted = { from: 0, until: context.now() + 1_000_000 }
    expect(await give({ kind: 'delete', account: 1, domain: 'd3.example.net', label: 12, accepted })).toMatchObject({ deleted: 1 })
    expect(await give({ kind: 'delete', account: 1, domain: null, label: 12, accepted })).toMatchObject({ deleted: 11 })
    await waitUntil(async () => (await waiting()) === 0)
    const [row] = await rowsOf([held])
    expect(row).toMatchObject({ status: 4 })
    expect(sent).toHaveLength(2)
  })

  test('mail whose hosts belong to a site of another group is delivered by the node that holds it', async () => {
    const oneSite = async (): Promise<{ site: string; gateway: boolean; mxSet: string }> => ({
      site: 'provider',
      gateway: false,
      mxSet: 'mx.provider.example',
    })
    const by: string[] = []
    const nodes = ['a', 'b'].map((node) =>
      run(
        () => {
          by.push(node)
          return ACCEPTED
        },
        { node, leaseMs: 5_000, resolveDestination: oneSite },
      ),
    )
    await waitUntil(() => nodes.every((each) => each.isDelivering()))
    await queueMails(
      context,
      Array.from({ length: 20 }, (_, n) => `user@d${n}.example.net`),
    )
    await waitUntil(async () => (await waiting()) === 0)
    expect(by).toHaveLength(20)
    expect(new Set(by).size).toBe(1)
  })

  test('domains of one unlisted MX set share the pause of an IP; a reply of their backup host counts for the site of the backup', async () => {
    const resolveDestination = async (): Promise<{ site: string; gateway: boolean; mxSet: string }> => ({
      site: 'mx.host.example',
      gateway: true,
      mxSet: 'backup.other.example,mx.host.example',
    })
    const from = (mx: string): SmtpOutcome => ({
      kind: 'reply',
      code: 554,
      text: '554 5.7.1 Blocked using zen.spamhaus.org',
      mx,
      phase: 'rcpt',
    })
    const mayUse: [string, boolean][] = []
    run(
      ({ domain, mayUse: check }) => {
        mayUse.push([domain, check?.('backup.other.example') ?? true])
        return from(domain === 'a.example.net' ? 'backup.other.example' : 'mx.host.example')
      },
      { resolveDestination, pools: { '*': ['192.0.2.1'] } },
    )
    const keys = async (): Promise<readonly unknown[]> =>
      (await engine.read.all("select key from queue_keys where key like 'ip|%' order by key")).map((row) => row['key'])
    await queueMails(context, ['ann@a.example.net'])
    await waitUntil(async () => (await keys()).length === 1)
    expect(await keys()).toEqual(['ip|192.0.2.1|backup.other.example'])
    await queueMails(context, ['ann@b.example.net'])
    await waitUntil(async () => (await keys()).length === 2)
    expect(await keys()).toEqual(['ip|192.0.2.1|backup.other.example', 'ip|192.0.2.1|mx.host.example'])
    expect(mayUse).toEqual([
      ['a.example.net', true],
      ['b.example.net', false],
    ])
  })

  test('the limits of a site hold, and changed ones with the next tick', async () => {
    const tableOf = (text: string) =>
      buildShapingTable({ shipped: { file: 'shipped.toml', sections: [] }, own: parseShapingFile('own.toml', text) })
    const tables = [tableOf('[site."example.net"]\nconnections_all = 1\nmails_per_connection = 2')]
    context = { ...context, shaping: () => tables[0] as (typeof tables)[number] }
    const replies: (() => void)[] = []
    const seen: unknown[] = []
    const deliverer = run(({ limits }) => {
      seen.push(limits)
      return new Promise((resolve) => replies.push(() => resolve(ACCEPTED)))
    })
    await waitUntil(() => deliverer.isDelivering())
    await queueMails(context, users(10))
    context.engine.nudges.send()
    await waitUntil(() => replies.length === 1)
    tables[0] = tableOf('[site."example.net"]\nconnections_all = 2')
    context.engine.nudges.send()
    await waitUntil(() => replies.length === 2)
    expect([seen[0], seen[1]]).toEqual([{ site: 'example.net', mails: 2, newPerMinute: null }, null])
    for (let answered = 0; answered < 10;) {
      await waitUntil(() => replies.length > answered)
      replies[answered++]?.()
    }
    await waitUntil(async () => (await waiting()) === 0)
    expect(seen).toHaveLength(10)
  })

  test('why a message waits: deferred by the retry schedule, held by a key; nothing for one that ended', async () => {
    const answers: Readonly<Record<string, SmtpOutcome>> = {
      'full.example.net': refusedOutcome(452, '4.2.2 mailbox is over quota'),
      'listed.example.net': refusedOutcome(554, '5.7.1 Blocked using zen.spamhaus.org'),
    }
    run(({ domain }) => answers[domain] ?? ACCEPTED, { pools: { '*': ['192.0.2.1'] } })
    const ids = await queueMails(context, ['ann@full.example.net', 'ann@listed.example.net', 'ann@open.example.net'])
    const why = async (deliveryId = '') => findWaitingReason(engine.read, { account: 1, deliveryId }, context.now())
    await waitUntil(async () => (await why(ids[0]))?.state === 'deferred')
    expect(await why(ids[0])).toMatchObject({ attempts: 1, key: null })
    await waitUntil(async () => (await why(ids[1])) === null)
    const [held] = await queueMails(context, ['bob@listed.example.net'])
    await waitUntil(async () => (await why(held))?.state === 'held')
    expect(await why(held)).toMatchObject({ key: 'ip|192.0.2.1|listed.example.net', class: 'ip-blocklist' })
    await waitUntil(async () => (await why(ids[2])) === null)
    expect(await findWaitingReason(engine.read, { account: 2, deliveryId: ids[0] ?? '' }, context.now())).toBeNull()
  })

  test('a node that cannot renew its lease begins nothing when it may have expired, and another takes over', async () => {
    const isRenewal = (sql: string): boolean => sql.startsWith('update queue_lease set until_at = $3')
    const away = (): Promise<number> => Promise.reject(new Fault('store_busy', 'the renewal failed'))
    const tx: Engine['tx'] = (work, options) =>
      engine.tx((db) => work({ ...db, run: (sql, params) => (isRenewal(sql) ? away() : db.run(sql, params)) }), options)
    const LEASE_MS = 2_400
    const startTimes: number[] = []
    const slowly = (): Promise<SmtpOutcome> => {
      startTimes.push(Date.now())
      return new Promise((resolve) => setTimeout(() => resolve(ACCEPTED), 20))
    }
    const ids = await queueMails(context, users(200))
    const fullContext = context
    context = { ...fullContext, engine: { ...engine, tx } }
    const a = run(slowly, { node: 'a', leaseMs: LEASE_MS, concurrencyLimit: 1, siteConcurrencyLimit: 1 })
    context = fullContext
    await waitUntil(() => a.isDelivering())
    await waitUntil(() => Date.now() > Number(startTimes.at(0)) + 1.5 * LEASE_MS)
    const ends = Number((await engine.read.one('select until_at from queue_lease'))?.['until_at'])
    expect(startTimes.length).toBeGreaterThan(0)
    expect(startTimes.filter((at) => at >= ends - LEASE_MS / 6 + CLOCK_TICK_MS)).toEqual([])
    // The attempts that were marked ahead have been returned.
    await waitUntil(async () => (await countQueued(engine.read)).dispatched === 0)
    run(() => ACCEPTED, { node: 'b' })
    await waitUntil(async () => (await waiting()) === 0)
    expect(namesSent().toSorted()).toEqual([...ids].toSorted())
  })

  test('over SMTP to a server: accepted, deferred and refused messages get their status', async () => {
    const mailbox = await startMailbox((to, attempt) =>
      to.startsWith('gone')
        ? { code: 550, text: '5.1.1 user unknown' }
        : to.startsWith('later') && attempt < 3
          ? { code: 452, text: '4.2.2 mailbox is over quota' }
          : null,
    )
    const transport = createSmtpTransport({
      router: createSmarthostRouter({ host: '127.0.0.1', port: mailbox.port, login: null, tls: 'off', implicitTls: false }),
      addressesOf: async () => ({ kind: 'none' }),
      ehloName: 'out.example.org',
      allowPrivate: true,
    })
    const ids = await queueMails(context, [...users(40), ...users(5).map((to) => `gone-${to}`), ...users(5).map((to) => `later-${to}`)])
    const options = delivererOptions(transport, { retry: { ...RETRY_SCHEDULES.default, delaysMs: [30] }, pools: { '*': ['127.0.0.1'] } })
    const deliverer = createDeliverer(context, options)
    deliverer.start()
    await waitUntil(async () => (await waiting()) === 0)
    await deliverer.close()
    await transport.close()
    await mailbox.close()
    expect((await rowsOf(ids)).map((row) => row?.status)).toEqual([...Array(40).fill(1), ...Array(5).fill(4), ...Array(5).fill(1)])
    expect([...mailbox.accepted.values()]).toEqual(Array(45).fill(1))
    expect(mailbox.accepted.has(`${ids[0] ?? ''}@example.org`)).toBe(true)
  })

  test('late feedback about our messages reaches the queue from any node; about messages of others it does not', async () => {
    const otherNode = { ...context, egressIps: new Set(['192.0.2.1']) }
    const ids = await queueMails(context, users(2))
    run(() => ACCEPTED)
    await waitUntil(async () => (await waiting()) === 0)
    await running[0]?.close()
    await bounceLater(otherNode, { deliveryId: ids[0] ?? '', recipient: 'user0@example.net' })
    await bounceLater({ ...otherNode, egressIps: new Set(['192.0.2.99']) }, { deliveryId: ids[1] ?? '', recipient: 'user1@example.net' })
    const countReports = async (): Promise<number> => Number((await engine.read.one('select count(*) as n from queue_reports'))?.['n'])
    expect(await countReports()).toBe(1)
    run(() => ACCEPTED)
    await waitUntil(async () => (await countReports()) === 0)
  })
  test('two nodes with the same name: the later one delivers, the earlier one stands by and sends nothing', async () => {
    const a = run(() => ACCEPTED, { node: 'same', leaseMs: 5_000 })
    await waitUntil(() => a.isDelivering())
    const b = run(() => ACCEPTED, { node: 'same', leaseMs: 5_000 })
    await waitUntil(() => b.isDelivering() && !a.isDelivering())
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect([a.isDelivering(), b.isDelivering()]).toEqual([false, true])
    await queueMails(context, users(10))
    await waitUntil(async () => (await waiting()) === 0)
    expect(sent).toHaveLength(10)
  })
  test('nothing is sent to an erased address, and none of its messages stays in the queue', async () => {
    await queueMails(context, ['joe@example.net', 'ann@example.net'])
    await eraseAddress(context, 'joe@example.net', 'operator')
    expect((await engine.read.all('select recipient from queue_mails')).map((row) => row['recipient'])).toEqual(['ann@example.net'])
    run(() => ACCEPTED)
    await waitUntil(async () => (await waiting()) === 0)
    expect(sent.map(({ to }) => to)).toEqual(['ann@example.net'])
  })
})
