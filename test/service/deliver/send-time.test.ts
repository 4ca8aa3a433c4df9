/**
 * send-time.test - messages with a send time, from submission to delivery: they wait, survive a restart, are checked again, and can be deleted
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Context } from '../../../src/service/context.ts'
import { createDeliverer } from '../../../src/service/deliver/deliverer.ts'
import { findWaitingReason } from '../../../src/service/deliver/observe/waiting-message.ts'
import { createQueueApi } from '../../../src/service/deliver/queue-api.ts'
import { addUnsubscribeEntry } from '../../../src/service/lists/unsubscribe.ts'
import { createSubmit, type Submission } from '../../../src/service/submit/submit.ts'
import type { OutgoingMail } from '../../../src/smtp-client/transport.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import { ACCEPTED, createFunctionTransport, delivererOptions, waitUntil, type Deliverer } from '../../support/delivery.ts'
import { submissionTo } from '../../support/submissions.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { countQueued } from '../../support/look.ts'

const DAY = 86_400_000
const alice = { account: 1, apiUser: 'alice', ip: '192.0.2.7' }

function submissionOf(
  recipients: readonly string[],
  { sendAt, label }: { readonly sendAt?: number; readonly label?: string } = {},
): Submission {
  return submissionTo(recipients, {
    body: { headers: sendAt === undefined ? {} : { 'X-Bounced-Send-At': new Date(sendAt).toISOString() } },
    label: label === undefined ? null : { name: label },
  })
}

describe.each(engines)('send time: $kind', ({ open }) => {
  let context: Context
  /** How far the clock of the test is ahead. */
  let ahead = 0
  const running: Deliverer[] = []
  const sent: { readonly to: string; readonly at: number }[] = []
  beforeEach(async () => {
    ahead = 0
    sent.length = 0
    const clock = {
      get now() {
        return Date.now() + ahead
      },
    }
    context = await makeContext((await open()).engine, clock)
  })
  const stop = async (): Promise<void> => {
    await Promise.all(running.splice(0).map((each) => each.close()))
  }
  afterEach(stop)

  const run = async (): Promise<void> => {
    const transport = createFunctionTransport(({ to }: OutgoingMail) => {
      sent.push({ to, at: context.now() })
      return ACCEPTED
    })
    const deliverer = createDeliverer(context, delivererOptions(transport))
    running.push(deliverer)
    deliverer.start()
    await waitUntil(() => deliverer.isDelivering())
  }
  const submit = async (submission: Submission): Promise<readonly string[]> => {
    const { recipients } = await createSubmit(context)(alice, submission)
    return recipients.map(({ emailId }) => emailId)
  }
  const rowsOf = async (emailIds: readonly string[]) => {
    const rows = await findDeliveriesByEmailIds(context.engine.read, 1, emailIds)
    return emailIds.map((id) => rows.find(({ emailId }) => emailId === id))
  }
  const why = async (emailId = '') => {
    const [row] = await rowsOf([emailId])
    return findWaitingReason(context.engine.read, { account: 1, deliveryId: row?.deliveryId ?? '' }, context.now())
  }
  const waiting = async (): Promise<number> => (await countQueued(context.engine.read)).waiting

  test('the first attempt is not before the send time; other mail of the lane does not wait for it', async () => {
    await run()
    const sendAt = context.now() + 1_500
    await submit(submissionOf(['later@example.net'], { sendAt }))
    await submit(submissionOf(['now@example.net', 'soon@example.net']))
    await waitUntil(async () => (await waiting()) === 0)
    expect(sent.map(({ to }) => to).toSorted()).toEqual(['later@example.net', 'now@example.net', 'soon@example.net'])
    expect(sent.find(({ to }) => to === 'later@example.net')?.at).toBeGreaterThanOrEqual(sendAt)
  })

  test('it says that it waits for its time, before a restart and after, and its lifetime begins at its send time', async () => {
    const sendAt = context.now() + 19 * DAY
    const [emailId] = await submit(submissionOf(['ann@example.net'], { sendAt }))
    for (let starts = 0; starts < 2; starts++) {
      await run()
      await submit(submissionOf(['now@example.net']))
      await waitUntil(async () => (await waiting()) === 1)
      expect(await why(emailId)).toMatchObject({ state: 'scheduled', attempts: 0, nextSendingAt: sendAt })
      await stop()
    }
    expect(sent.map(({ to }) => to)).toEqual(['now@example.net', 'now@example.net'])
    ahead = 19 * DAY + 60_000
    await run()
    await waitUntil(async () => (await waiting()) === 0)
    const [row] = await rowsOf([emailId ?? ''])
    expect(row).toMatchObject({ status: 1, result: 'delivered' })
  })

  test('a recipient who unsubscribes before the send time gets nothing; the others of the request do', async () => {
    const emailIds = await submit(submissionOf(['ann@example.net', 'bob@example.net', 'zoe@example.org'], { sendAt: context.now() + DAY }))
    await addUnsubscribeEntry(context, alice, 'bob@example.net', 0)
    await run()
    await stop()
    ahead = DAY + 60_000
    await run()
    await waitUntil(async () => (await waiting()) === 0)
    expect((await rowsOf(emailIds)).map((row) => [row?.status, row?.subStatus])).toEqual([
      [1, null],
      [4, 402],
      [1, null],
    ])
    expect(sent.map(({ to }) => to).toSorted()).toEqual(['ann@example.net', 'zoe@example.org'])
    expect(await context.engine.read.one('select count(*) as n from queue_bodies')).toEqual({ n: 0 })
  })

  test('it is deleted by its emailId, by its label, and with all mail of the account', async () => {
    const sendAt = context.now() + 10 * DAY
    const [one = '', other = ''] = await submit(submissionOf(['ann@example.net', 'bob@example.net'], { sendAt }))
    const labelled = await submit(submissionOf(['ann@example.org', 'bob@example.org'], { sendAt, label: 'spring' }))
    await run()
    const api = createQueueApi(context, 60_000)
    const give = async (command: Parameters<typeof api.submitCommand>[0]['command']) =>
      api.submitCommand({ account: 1, actor: 'user', command })
    const deletion = await api.findDeletion(1, one)
    // A slow machine may run the first one before the message is in memory.
    await waitUntil(async () => (await give(deletion)).deleted === 1)
    expect(await give(await api.findDeletion(1, one))).toMatchObject({ state: 'done', deleted: 0 })
    await expect(api.findDeletion(2, one)).rejects.toMatchObject({ code: 'not_found' })
    const [row] = await rowsOf(labelled)
    const accepted = { from: 0, until: context.now() + 1 }
    expect(await give({ kind: 'delete', account: 1, domain: null, label: row?.labelId ?? 0, accepted })).toMatchObject({ deleted: 2 })
    expect(await why(other)).toMatchObject({ state: 'scheduled' })
    expect(await give({ kind: 'delete', account: 1, domain: null, ...accepted })).toMatchObject({ deleted: 1 })
    await waitUntil(async () => (await waiting()) === 0)
    expect((await rowsOf([one, other, ...labelled])).map((each) => [each?.status, each?.subStatus])).toEqual(Array(4).fill([4, 409]))
    expect(sent).toEqual([])
  })
})
