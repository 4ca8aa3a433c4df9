/**
 * stranger.test - what a stranger can do who holds his own copy of a campaign, and what ids of before still do
 */
import { afterEach, describe, expect, test } from 'vitest'
import { ALL_LANE_GROUPS } from '../../../src/queue/lane-group.ts'
import type { Composition } from '../../../src/compose/composition.ts'
import { hashAddress, normaliseAddress } from '../../../src/correlate/address-hash.ts'
import { decodeBase32Number, encodeBase32Number } from '../../../src/correlate/base32.ts'
import { dayNumberOf, formatDeliveryId, monthOfDelivery } from '../../../src/correlate/delivery-id.ts'
import { decideRequest } from '../../../src/ledger/decide/request.ts'
import { toEventView } from '../../../src/http/server/fact-view.ts'
import { applyFacts } from '../../../src/ledger/project/fold.ts'
import { NO_AUTHENTICATION_RESULTS, type AuthenticationResults } from '../../../src/mail-auth/verify-signatures.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { commitLedgerState } from '../../../src/service/commit.ts'
import type { Context } from '../../../src/service/context.ts'
import { createRenderer } from '../../../src/service/deliver/render.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createSubmit } from '../../../src/service/submit/submit.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { loadLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { findSuppressions } from '../../../src/store/lists/suppressions.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import { listInbox } from '../../../src/store/mail/inbox.ts'
import { findQueuedBody } from '../../../src/store/queue/queued-bodies.ts'
import { listQueuedMessagesForOperator, markDispatchedForOperator } from '../../../src/store/queue/queued-mail.ts'
import { buildPayload } from '../../../src/webhook/payload.ts'
import { makeContext, RETURN_PATH } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { findDelivery, readTimeline } from '../../support/look.ts'
import { makeIncomingMail } from '../../support/reports.ts'
import { makeServices } from '../../support/services.ts'
import { submissionTo } from '../../support/submissions.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const BY = { account: 1, apiUser: 'alice', ip: '192.0.2.7' } as const
const STRANGER: AuthenticationResults = {
  dkim: [{ domain: 'stranger.example', selector: 's', result: 'pass', valid: true, aligned: true }],
  spf: null,
  arc: null,
}
/** One copy: what its recipient holds, and what the account that sent it was told. */
type Copy = { readonly deliveryId: string; readonly recipient: string; readonly mail: string; readonly account: readonly string[] }

/** Words that may be ids. */
const idsIn = (text: string): readonly string[] => text.match(/[a-z0-9$]{13,}/gi) ?? []

/** Every word with one character changed, and every number in it counted up and down. */
function neighboursOf(words: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const word of words) {
    for (let at = 0; at < word.length; at += 1)
      for (const letter of 'abcdefghijklmnopqrstuvwxyz0123456789') found.add(word.slice(0, at) + letter + word.slice(at + 1))
    for (let at = 0; at + 7 <= word.length; at += 1) {
      const number = decodeBase32Number(word.slice(at, at + 7))
      for (let step = -40; number !== null && step <= 40; step += 1)
        found.add(word.slice(0, at) + (encodeBase32Number(Math.max(0, number + step), 7) ?? '') + word.slice(at + 7))
    }
  }
  // A delivery id by itself, without the rest of its token.
  for (const each of found) if (each.length === 30) found.add(each.slice(1, 14))
  return found
}

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })
  const start = async (): Promise<Context> => {
    const { engine } = await open()
    opened.push(engine)
    return makeContext(engine, { now: T0 })
  }

  /** A campaign of our own queue, a request for each recipient; each copy as it leaves. */
  async function sendCampaign(context: Context, recipients: readonly string[], messageId: string | null = null): Promise<readonly Copy[]> {
    const submit = createSubmit(context)
    const body = { fromName: null, html: '<p>Hello</p>', emailType: 'batch', messageId } as const
    for (const recipient of recipients) await submit(BY, submissionTo([recipient], { body }))
    const { engine } = context
    const refs = await listQueuedMessagesForOperator(engine.read, { groups: ALL_LANE_GROUPS, after: null, limit: 1_000 })
    const queued = await engine.tx((db) => markDispatchedForOperator(db, refs, { at: T0, markedBy: 'test 1', groups: ALL_LANE_GROUPS }))
    const render = createRenderer(context, () => Promise.resolve([]))
    return Promise.all(
      queued.map(async (each): Promise<Copy> => {
        // Checked cast: submit stored it.
        const body = JSON.parse((await findQueuedBody(engine.read, 1, each.bodyId)) ?? '') as Composition
        const { from, raw } = await render(each, body)
        const row = await findDelivery(engine.read, 1, each.deliveryId)
        const [fact] = await readTimeline(engine.read, 1, each.deliveryId)
        const payload = fact === undefined ? {} : buildPayload('request', fact, row, { timestamp: 0, token: '', signature: '' })
        const mail = `Return-Path: <${from}>\r\n${raw.toString('latin1')}`
        const account = [row?.emailId ?? '', row?.messageId ?? '', JSON.stringify({ ...payload, eventId: '' })]
        return { deliveryId: each.deliveryId, recipient: each.recipient, mail, account }
      }),
    )
  }
  const recipients = Array.from({ length: 20 }, (_, n) => `reader${n}@example.net`)

  test.each([
    ['that we made', null],
    ['that the client chose', 'spring-1@example.com'],
  ])('one copy, links and webhooks included, names none of its neighbours: Message-ID %s', async (_who, messageId) => {
    const copies = (await sendCampaign(await start(), recipients, messageId)).toSorted((a, b) => (a.deliveryId < b.deliveryId ? -1 : 1))
    const [first, second] = copies
    // The guesses are good ones: they find the id that was counted up.
    expect(neighboursOf(idsIn(first?.mail ?? '')).has(second?.deliveryId ?? '')).toBe(true)
    const own = copies.slice(0, 3)
    const known = new Set(own.flatMap(({ mail, account }) => idsIn([mail, ...account].join('\n'))))
    const guesses = neighboursOf([...known])
    const others = copies.slice(3).flatMap(({ mail, account }) => idsIn([mail, ...account].join('\n')))
    const secret = others.filter((id) => !known.has(id))
    expect(new Set(secret).size).toBeGreaterThan(copies.length * 3)
    expect(secret.filter((id) => guesses.has(id))).toEqual([])
  })

  test('no name of the API and no internal id stands in a mail, but within a token', async () => {
    for (const { mail, account, deliveryId } of await sendCampaign(await start(), recipients.slice(0, 3))) {
      expect(mail).not.toMatch(/x-email-id|x-smtpapi/i)
      for (const handle of account.flatMap(idsIn).filter((id) => id.length > 20)) expect(mail).not.toContain(handle.slice(0, 22))
      const bare = mail.split(deliveryId).slice(1)
      // A token: the key before it and the MAC behind it.
      expect(bare.every((rest) => /^[a-z2-7]{16}/.test(rest))).toBe(true)
      expect(account.join('\n')).not.toContain(deliveryId)
    }
  })

  type Forgery = readonly [what: string, rcpt: string, returned: readonly string[], fields: readonly string[]]

  function forgeriesOf(own: Copy, victim: Copy): readonly Forgery[] {
    const forge = (token: string): string => token.replaceAll(own.deliveryId, victim.deliveryId)
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(own.mail)?.[1] ?? ''
    const guesses = Array.from({ length: 20 }, () => forge(field('message-id'))).map((id, n) =>
      id.replace(/.@/, `${'abcdefghijklmnopqrst'.charAt(n)}@`),
    )
    const old = `<${victim.deliveryId}@example.com>`
    const bounces = `bounces@${RETURN_PATH}`
    return [
      ['RCPT TO', forge(field('return-path')).slice(1, -1), [], []],
      ['returned Return-Path', bounces, [`Return-Path: ${forge(field('return-path'))}`], []],
      ['returned Message-ID', bounces, [`Message-ID: ${forge(field('message-id'))}`], []],
      ['returned feedback id', bounces, [`CFBL-Feedback-ID: ${forge(field('cfbl-feedback-id'))}`], []],
      ['feedback id as Message-ID', bounces, [`Message-ID: <${field('cfbl-feedback-id')}@example.com>`], []],
      ['twenty guesses in References', bounces, [], [`References: ${guesses.join('\r\n ')}`]],
      ['a Message-ID of before', bounces, [`Message-ID: ${old}`], [`In-Reply-To: ${old}`]],
      ['the emailId', bounces, [`X-Email-Id: ${victim.account[0]}`], [`X-Email-Id: ${victim.account[0]}`]],
    ]
  }

  const bounceOf = (victim: Copy, [, , returned, fields]: Forgery, n: number): string =>
    [
      'From: MAILER-DAEMON@stranger.example',
      ...fields,
      `Message-ID: <forged-${n}@stranger.example>`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
      '',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; stranger.example',
      '',
      `Final-Recipient: rfc822; ${victim.recipient}`,
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 5.1.1 No such user',
      '',
      '--b',
      'Content-Type: text/rfc822-headers',
      '',
      ...returned,
      `To: ${victim.recipient}`,
      'Subject: Hello',
      '',
      '--b--',
      '',
    ].join('\r\n')

  test.each([
    ['unsigned', NO_AUTHENTICATION_RESULTS],
    ['signed by the stranger', STRANGER],
  ])('forged reports about a neighbour, made from one copy, change nothing: %s', async (_how, authentication) => {
    const context = await start()
    const [own, victim] = await sendCampaign(context, recipients.slice(0, 2))
    if (own === undefined || victim === undefined) throw new Error('no copies')
    const { read } = context.engine
    const look = async (): Promise<unknown> => [
      await findDelivery(read, 1, victim.deliveryId),
      (await readTimeline(read, 1, victim.deliveryId)).map(({ id }) => id),
      await findSuppressions(read, [{ account: 1, addressHash: hashAddress(victim.recipient) ?? '' }]),
    ]
    const before = await look()
    const receiver = createReceiver(context, { prover: () => Promise.resolve(authentication), dryRun: false, notifyReplays: false })
    for (const [n, forgery] of forgeriesOf(own, victim).entries()) {
      const raw = bounceOf(victim, forgery, n)
      const result = await receiver.submit(makeIncomingMail(raw, forgery[1], { at: T0, receivedAt: T0 }))
      expect([forgery[0], result.subStatuses, result.inboxReason === null]).toEqual([forgery[0], [], false])
    }
    expect(await look()).toEqual(before)
  })

  test('registered mail: every copy has one field with a MAC beside the Message-ID, whoever chose that', async () => {
    const context = await start()
    const register = createRegister(context)
    const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch' } as const
    const wanted = recipients.map((recipient) => ({ recipient, contactTypes: null }))
    for (const headers of [{}, { 'Message-ID': '<mine@example.com>' }]) {
      const { recipients: made } = await register(BY, { ...call, headers, recipients: wanted })
      const [first, ...others] = made.map(({ headers: fields, returnPath, feedbackId }) => JSON.stringify([fields, returnPath, feedbackId]))
      const guesses = neighboursOf(idsIn(first ?? ''))
      expect(others.flatMap(idsIn).filter((id) => guesses.has(id))).toEqual([])
      expect(new Set(made.map(({ headers: fields }) => fields['CFBL-Feedback-ID'])).size).toBe(recipients.length)
    }
  })

  test('the timeline of a bounced mail, its list entry and an inbox item name no delivery by its internal id', async () => {
    const context = await start()
    const [copy] = await sendCampaign(context, ['joe@example.net'])
    if (copy === undefined) throw new Error('no copy')
    const receiver = createReceiver(context, { prover: () => Promise.resolve(STRANGER), dryRun: false, notifyReplays: false })
    const returnPath = /^Return-Path: <(.*)>/.exec(copy.mail)?.[1] ?? ''
    await receiver.submit(makeIncomingMail(bounceOf(copy, ['', '', [], []], 0), returnPath, { at: T0, receivedAt: T0 }))
    const messageId = /^message-id: .*$/im.exec(copy.mail)?.[0] ?? ''
    const bare = bounceOf(copy, ['', '', [messageId], []], 1)
    await receiver.submit(makeIncomingMail(bare, `bounces@${RETURN_PATH}`, { at: T0, receivedAt: T0 }))
    const [item] = await listInbox(context.engine.read, 1, {}, { limit: 10 })
    const filed = await findFactsBySubject(context.engine.read, [{ account: 1, subject: `mail:${item?.digest ?? ''}` }])
    const facts = [...(await readTimeline(context.engine.read, 1, copy.deliveryId)), ...filed]
    expect(new Set(facts.map(({ kind }) => kind))).toEqual(new Set(['request', 'failed', 'list', 'inbox']))
    expect(facts.every(({ deliveryId }) => deliveryId === copy.deliveryId)).toBe(true)
    const rest = JSON.stringify(facts.map(toEventView)).split(copy.deliveryId).slice(1)
    expect(rest.filter((text) => !/^[a-z2-7]{16}/.test(text))).toEqual([])
  })

  /** A delivery as the earlier release stored it. */
  async function addOldDelivery(
    context: Context,
  ): Promise<{ readonly deliveryId: string; readonly emailId: string; readonly messageId: string }> {
    const recipient = 'old@example.net'
    const deliveryId = formatDeliveryId({ day: dayNumberOf(T0) - 1, account: 1, sequence: 41 }) ?? ''
    const ids = { messageId: `${deliveryId}m`, emailId: `${deliveryId}m0$${recipient}`, messageIdHeader: `${deliveryId}@example.com` }
    const address = normaliseAddress(recipient)
    const at = T0 - 86_400_000
    const settings = (await context.accountCache.snapshot()).settingsOf(1)
    await context.engine.tx(async (db) => {
      const { ledgerState } = await loadLedgerState(db, {})
      const request = {
        ...ids,
        recipient,
        domain: 'example.net',
        site: null,
        apiUser: 'alice',
        labelId: null,
        label: null,
        emailType: 'trigger',
        broadcast: null,
        from: 'news@example.com',
        subject: 'hello',
        headers: {},
        requestIp: null,
        requestedAt: at,
      } as const
      const moment = { at, receivedAt: at, ids: context.ids }
      applyFacts(
        ledgerState,
        decideRequest({
          ledger: ledgerState,
          account: 1,
          deliveryId,
          request,
          address,
          isSelected: true,
          isQueued: false,
          settings,
          moment,
        }),
      )
      await commitLedgerState(db, ledgerState, { now: at, notify: () => true })
    })
    expect(monthOfDelivery(deliveryId)).toBeGreaterThan(0)
    return { deliveryId, emailId: ids.emailId, messageId: ids.messageId }
  }

  test('ids of before answer in the API and find their mail in the inbox; a report that names one changes nothing', async () => {
    const context = await start()
    const { deliveryId, emailId } = await addOldDelivery(context)
    const services = makeServices(context)
    expect((await services.messages.find(1, emailId))?.row.deliveryId).toBe(deliveryId)
    const own = { deliveryId: 'none', recipient: '', mail: '', account: [] }
    const victim = { ...own, deliveryId, recipient: 'old@example.net', account: [emailId] }
    const receiver = createReceiver(context, { prover: () => Promise.resolve(STRANGER), dryRun: false, notifyReplays: false })
    const raw = bounceOf(victim, ['', '', [`Message-ID: <${deliveryId}@example.com>`], []], 0)
    const result = await receiver.submit(makeIncomingMail(raw, `bounces@${RETURN_PATH}`, { at: T0, receivedAt: T0 }))
    expect([result.account, result.inboxReason]).toEqual([1, 'unverified'])
    const statusOf = async () => (await findDeliveriesByEmailIds(context.engine.read, 1, [emailId]))[0]?.status
    expect(await statusOf()).toBe(18)
    const [item] = await listInbox(context.engine.read, 1, {}, { limit: 10 })
    await services.inbox.resolve({ action: 'link', digest: item?.digest ?? '', account: null, actor: 'operator', emailId })
    expect(await statusOf()).toBe(4)
    const attempt = { code: 250, text: 'ok', error: null, mx: null, egressIp: null, attempt: 1, final: null, at: null }
    expect(await services.reportAttempts(BY, [{ ...attempt, emailId }])).toMatchObject([{ known: true, emailId }])
    expect(await rebuild(context, { check: true, onProgress: () => undefined })).toMatchObject({ differing: 0 })
  })
})
