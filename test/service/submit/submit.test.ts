/**
 * submit.test - one transaction from the request to the queue: suppression, idempotency, quota
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { ALL_LANE_GROUPS } from '../../../src/queue/lane-group.ts'
import type { Composition } from '../../../src/compose/composition.ts'
import { Fault } from '../../../src/errors.ts'
import { ensureLabels } from '../../../src/store/account/labels.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import { findQueuedBody } from '../../../src/store/queue/queued-bodies.ts'
import { listQueuedMessagesForOperator } from '../../../src/store/queue/queued-mail.ts'
import { removeOldSubmissionsForOperator } from '../../../src/store/mail/submissions.ts'
import { addUnsubscribeEntry } from '../../../src/service/lists/unsubscribe.ts'
import type { Context } from '../../../src/service/context.ts'
import { BATCH_MESSAGES } from '../../../src/store/migrations/batch-messages.ts'
import { changeAccountSettings } from '../../../src/service/admin/account-settings.ts'
import { createSubmit, IDEMPOTENCY_WINDOW_MS, type Submission, type Submit } from '../../../src/service/submit/submit.ts'
import { engines } from '../../support/engines.ts'
import { submissionTo } from '../../support/submissions.ts'
import { makeContext, type Clock } from '../../support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const alice = { account: 1, apiUser: 'alice', ip: '192.0.2.7' }
const bob = { account: 2, apiUser: 'bob', ip: '192.0.2.8' }

const to = (...recipients: string[]): Submission =>
  submissionTo(recipients, { body: { from: 'News@Example.com', subject: 'Hello %name%', html: '<p>%name%</p>', plain: null } })
const { body } = to()

describe.each(engines)('submit: $kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  let context: Context
  let submit: Submit
  let nudges = 0
  beforeEach(async () => {
    clock.now = T0
    context = await makeContext((await open()).engine, clock, [{}, {}])
    submit = createSubmit(context)
    context.engine.nudges.listen(() => nudges++)
  })
  const waiting = () => listQueuedMessagesForOperator(context.engine.read, { groups: ALL_LANE_GROUPS, after: null, limit: 100 })

  test.each([
    // senderDomains                                From               is it allowed
    [[], 'a@anything.example', true],
    [['Example.com'], 'a@example.com', true],
    [['example.com'], 'a@NEWS.example.com', true],
    [['example.com', 'example.net'], 'a@example.net', true],
    [['example.com'], 'a@notexample.com', false],
    [['news.example.com'], 'a@example.com', false],
    [['example.com'], 'a@victim.example', false],
  ] as const)('senderDomains %j, from %s: %s', async (senderDomains, from, isAllowed) => {
    await changeAccountSettings(context, {
      account: 1,
      actor: 'operator',
      byOperator: true,
      change: { senderDomains: [...senderDomains] },
      version: null,
    })
    const outcome = await submit(alice, { ...to('joe@example.net'), body: { ...body, from } }).then(
      ({ recipients }) => recipients[0]?.status,
      (error: unknown) => (error instanceof Fault ? error.code : error),
    )
    expect([outcome, (await waiting()).length]).toEqual(isAllowed ? [18, 1] : ['forbidden', 0])
  })

  test('each domain that a reader can see as an originator must be allowed', async () => {
    await changeAccountSettings(context, {
      account: 1,
      actor: 'operator',
      byOperator: true,
      change: { senderDomains: ['example.com'] },
      version: null,
    })
    const call = to('joe@example.net')
    await expect(submit(alice, { ...call, originatorDomains: ['example.com', 'victim.example'] })).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('victim.example'),
    })
    expect((await submit(alice, { ...call, originatorDomains: ['news.example.com'] })).recipients).toHaveLength(1)
  })

  test.each([
    // batchApiUsers, batchLabels    the label   the type of the mail
    [[], [], 'News', 'trigger'],
    [['alice'], [], null, 'batch'],
    [['bob'], ['alice'], 'News', 'trigger'],
    [[], ['news'], 'News', 'batch'],
    [[], ['news'], null, 'trigger'],
  ] as const)('batchApiUsers %j and batchLabels %j with label %s give the type %s', async (batchApiUsers, batchLabels, label, type) => {
    await changeAccountSettings(context, {
      account: 1,
      actor: 'alice',
      byOperator: false,
      change: { batchApiUsers: [...batchApiUsers], batchLabels: [...batchLabels] },
      version: null,
    })
    const { messageId, recipients } = await submit(alice, { ...to('joe@example.net'), label: label === null ? null : { name: label } })
    const [row] = await findDeliveriesByEmailIds(context.engine.read, 1, [recipients[0]?.emailId ?? ''])
    expect(row?.emailType).toBe(type)
    const queued = await findQueuedBody(context.engine.read, 1, messageId)
    expect(JSON.parse(queued ?? 'null')).toMatchObject({ emailType: type, label })
  })

  test('recipients are queued unless a list suppresses them or their address is malformed', async () => {
    await addUnsubscribeEntry(context, alice, 'gone@example.net', 0)
    const before = nudges
    const done = await submit(alice, to('Joe@Example.net', 'gone@example.net', 'nobody'))
    expect(done.recipients.map(({ status, subStatus }) => [status, subStatus])).toEqual([
      [18, null],
      [4, 402],
      [4, 404],
    ])
    expect(done.recipients.map(({ emailId }) => emailId)).toEqual(
      ['Joe@Example.net', 'gone@example.net', 'nobody'].map((each, n) => `${done.messageId}${n}$${each}`),
    )
    expect((await waiting()).map(({ account, domain, senderDomain }) => [account, domain, senderDomain])).toEqual([
      [1, 'example.net', 'example.com'],
    ])
    expect(nudges).toBe(before + 1)
    const row = await context.engine.read.one('select status, request_ip, result from deliveries where email_id = $1', [
      done.recipients[0]?.emailId ?? '',
    ])
    expect(row).toMatchObject({ status: 18, request_ip: '192.0.2.7', result: 'unsent' })
  })

  test('the shared body is stored once; each row has the recipient as written, and the variables', async () => {
    const call = to('A@example.net', 'b@example.org')
    await submit(alice, {
      ...call,
      recipients: call.recipients.map((each, n) => ({ ...each, variables: { '%name%': String(n) } })),
      label: { name: 'news' },
      userHeaders: { 'SC-Custom-Id': '7' },
    })
    const rows = await context.engine.read.all('select recipient, variables, body_id from queue_mails order by recipient')
    expect(rows.map(({ recipient, variables }) => [recipient, variables])).toEqual([
      ['A@example.net', '{"%name%":"0"}'],
      ['b@example.org', '{"%name%":"1"}'],
    ])
    expect(new Set(rows.map((row) => row['body_id'])).size).toBe(1)
    expect(await context.engine.read.one('select label, headers from deliveries')).toEqual({
      label: 'news',
      headers: '{"SC-Custom-Id":"7"}',
    })
  })

  test('a message with a send time waits for it; the header that named it is not kept', async () => {
    const at = (headers: Readonly<Record<string, string>>): Submission => ({ ...to('ann@example.net'), body: { ...body, headers } })
    await submit(alice, at({ 'X-Bounced-Send-At': '2026-11-21T09:00:00+01:00', 'X-Keep': 'yes' }))
    const sendAt = Date.UTC(2026, 10, 21, 8)
    expect(await waiting()).toMatchObject([{ acceptedAt: sendAt, requestedAt: T0, dueAt: sendAt }])
    const row = await context.engine.read.one('select body_id from queue_mails')
    const stored = await findQueuedBody(context.engine.read, 1, String(row?.['body_id']))
    expect(JSON.parse(stored ?? '').headers).toEqual({ 'X-Keep': 'yes' })
    await submit(bob, at({ 'X-Bounced-Send-At': '2026-11-20T11:59:59Z' }))
    expect((await waiting()).find(({ account }) => account === 2)).toMatchObject({ acceptedAt: T0, requestedAt: null, dueAt: 0 })
    const strict = createSubmit(context, { sendAtDays: 2 })
    await expect(strict(alice, at({ 'X-Bounced-Send-At': '2026-11-22T12:00:01Z' }))).rejects.toMatchObject({ code: 'header_invalid' })
    expect(await waiting()).toHaveLength(2)
  })

  test('a message is batch as its header says, else as the settings of the account say', async () => {
    const given = (headers: Readonly<Record<string, string>>, label: string | null = null): Submission => ({
      ...to('ann@example.net'),
      body: { ...body, headers },
      label: label === null ? null : { name: label },
    })
    await changeAccountSettings(context, {
      account: 1,
      actor: 'operator',
      byOperator: true,
      change: { batchLabels: ['news'] },
      version: null,
    })
    const cases = [
      [given({}), false],
      [given({}, 'News'), true],
      [given({ 'X-Bounced-Priority': 'batch' }), true],
      [given({ 'X-Bounced-Priority': 'transactional' }, 'news'), false],
    ] as const
    for (const [submission, isBatch] of cases) {
      const { recipients } = await submit(alice, submission)
      const [row] = await findDeliveriesByEmailIds(context.engine.read, 1, [recipients[0]?.emailId ?? ''])
      expect(row?.emailType).toBe(isBatch ? 'batch' : 'trigger')
      expect((await waiting()).find(({ deliveryId }) => deliveryId === row?.deliveryId)?.isBatch).toBe(isBatch)
    }
    await expect(submit(alice, given({ 'X-Bounced-Priority': 'urgent' }))).rejects.toMatchObject({ code: 'header_invalid' })
    // The upgrade reads the class of waiting mail from its delivery.
    const before = await waiting()
    await context.engine.tx((db) => db.run('update queue_mails set is_batch = 0'))
    for (const sql of BATCH_MESSAGES.statements.slice(1)) await context.engine.tx((db) => db.run(sql))
    expect(await waiting()).toEqual(before)
  })

  test('a request id gets the same response for an hour, and its messages are sent once', async () => {
    const call = { ...to('joe@example.net'), requestId: 'r1' }
    const first = await submit(alice, call)
    const again = createSubmit(context)
    expect(await again(alice, call)).toEqual(first)
    expect(await again(alice, { ...to('other@example.net'), requestId: 'r1' })).toEqual(first)
    clock.now += IDEMPOTENCY_WINDOW_MS - 1
    expect(await again(alice, call)).toEqual(first)
    expect(await waiting()).toHaveLength(1)
    expect((await again(bob, call)).messageId).not.toBe(first.messageId)
    clock.now += 1
    expect((await again(alice, call)).messageId).not.toBe(first.messageId)
    expect(await waiting()).toHaveLength(3)
  })

  test('concurrent repetitions are one request', async () => {
    const other = createSubmit(context)
    const call = { ...to('joe@example.net', 'ann@example.net'), requestId: 'at once' }
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? submit : other)(alice, call)))
    expect(new Set(answers.map(({ messageId }) => messageId)).size).toBe(1)
    expect(await waiting()).toHaveLength(2)
  })

  test('expired responses are removed', async () => {
    await submit(alice, { ...to('joe@example.net'), requestId: 'r1' })
    expect(await context.engine.tx((db) => removeOldSubmissionsForOperator(db, T0 - 1, 9))).toBe(0)
    expect(await context.engine.tx((db) => removeOldSubmissionsForOperator(db, T0, 9))).toBe(1)
  })

  test('a label by its number; the label of another account is not found', async () => {
    const labels = await context.engine.tx((db) => ensureLabels(db, 1, ['weekly'], T0))
    const id = labels.get('weekly') ?? 0
    await submit(alice, { ...to('joe@example.net'), label: { id } })
    expect(await context.engine.read.one('select label_id, label from deliveries')).toEqual({ label_id: id, label: 'weekly' })
    expect(await context.engine.read.one('select label_name from queue_mails')).toEqual({ label_name: 'weekly' })
    expect(await waiting()).toMatchObject([{ labelId: id }])
    await expect(submit(bob, { ...to('joe@example.net'), label: { id } })).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a refused request stores nothing', async () => {
    const huge = { ...body, sections: { '%s%': 'x'.repeat(1_000_000) }, html: '%s%'.repeat(100) }
    await expect(submit(alice, { ...to('joe@example.net'), body: huge })).rejects.toMatchObject({ code: 'bad_request' })
    await expect(submit(alice, { ...to('joe@example.net'), body: { ...body, from: 'nobody' } })).rejects.toMatchObject({
      code: 'bad_request',
    })
    expect(await waiting()).toEqual([])
  })

  test('a queued message can be read back as it was submitted', async () => {
    await submit(alice, to('joe@example.net'))
    const [row] = await context.engine.read.all('select content from queue_bodies')
    const { decompressBytes: unpack } = await import('../../../src/store/engine/compression.ts')
    const content = row?.['content']
    const kept: Composition = JSON.parse((await unpack(content instanceof Uint8Array ? content : new Uint8Array())).toString())
    expect(kept).toEqual({ ...body, label: null, apiUser: 'alice' })
  })

  test('the daily quota holds for concurrent requests, and starts anew the next day', async () => {
    const limited = createSubmit(context, { recipientsPerDay: 5 })
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        limited(alice, to(`a${n}@example.net`, `b${n}@example.net`)).then(
          () => 'taken',
          (error: unknown) => (error instanceof Fault ? error.code : 'broken'),
        ),
      ),
    )
    expect(outcomes.toSorted()).toEqual([...Array<string>(10).fill('quota_exceeded'), 'taken', 'taken'])
    expect(await waiting()).toHaveLength(4)
    await limited(bob, to('a@example.net'))
    await limited(alice, to('last@example.net'))
    await expect(limited(alice, to('more@example.net'))).rejects.toMatchObject({ code: 'quota_exceeded' })
    clock.now += 12 * 3_600_000
    await limited(alice, to('more@example.net'))
  })
})
