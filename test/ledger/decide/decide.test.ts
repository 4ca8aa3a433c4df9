/** decide.test - which facts each kind of report, attempt and registration leads to */
import { describe, expect, test } from 'vitest'
import { formatDeliveryId } from '../../../src/correlate/delivery-id.ts'
import type { Reason } from '../../../src/classify/reasons.ts'
import type { Permanence } from '../../../src/classify/verdict.ts'
import { countersOf, siteCountersOf } from '../../../src/ledger/project/counters.ts'
import { decideGiveUp, isOverdue } from '../../../src/ledger/decide/attempt.ts'
import { decideInboxChange } from '../../../src/ledger/decide/operator-action.ts'
import { decideUnsubscribe } from '../../../src/ledger/decide/unsubscribe.ts'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import { isEntryInForce } from '../../../src/ledger/suppress/suppression.ts'
import { COMPLAINT, DAY, GROUP, HOUR, MINUTE, type Over, story, type Story, T0, TO, verdict } from '../given.ts'

const kinds = (facts: readonly Fact[]): readonly string[] =>
  facts.map((fact) => (fact.kind === 'list' ? `list:${fact.data.list}:${fact.data.action}` : fact.kind))
const statusOf = (s: Story, id: string): readonly unknown[] => {
  const { status, subStatus, asynchronous } = s.row(id)
  return [status, subStatus, asynchronous]
}

test('accepted for sending: 18', () => {
  const s = story()
  const id = s.send(T0)
  expect(statusOf(s, id)).toEqual([18, null, false])
  expect(s.row(id)).toMatchObject({ registered: true, recipient: TO, result: 'sent', domain: 'example.com' })
})

const attempts = [
  // code  reason               permanence              policy            final   status
  [250, null, null, 'by-permanence', null, [1, null, false]],
  [250, null, null, 'by-channel', null, [1, null, false]],
  [550, 'not-exist', 'permanent', 'by-permanence', null, [4, 406, false]],
  [550, 'not-exist', 'permanent', 'by-channel', null, [4, 406, false]],
  [550, 'ip-blocked', 'temporary', 'by-permanence', null, [5, 505, false]],
  [550, 'ip-blocked', 'temporary', 'by-channel', null, [4, 405, false]],
  [450, 'mailbox-full', 'temporary', 'by-permanence', null, [18, null, false]],
  [450, 'mailbox-full', 'temporary', 'by-permanence', true, [5, 508, false]],
  [450, 'mailbox-full', 'temporary', 'by-channel', true, [5, 508, false]],
  [450, 'greylisted', 'temporary', 'by-channel', true, [5, 509, false]],
  [null, 'unreachable', 'temporary', 'by-permanence', true, [4, 403, false]],
  [null, 'unreachable', 'temporary', 'by-permanence', null, [18, null, false]],
  [501, 'format-error', 'permanent', 'by-permanence', null, [4, 404, false]],
  [550, 'rate-limited', 'temporary', 'by-permanence', false, [18, null, false]],
] as const

test.each(attempts)('SMTP reply: %s %s %s by %s, final %s', (code, reason, permanence, statusPolicy, final, want) => {
  const s = story({ statusPolicy })
  const id = s.send(T0)
  s.attempt(id, T0 + 1, { code, final, n: 1 }, reason === null ? null : verdict(reason as Reason, permanence as Permanence, { code }))
  expect(statusOf(s, id)).toEqual(want)
})

test('a 550 that is a deferral is not final by default', () => {
  const s = story()
  const id = s.send(T0)
  s.attempt(id, T0 + 1, { code: 550, n: 1 }, verdict('rate-limited', 'temporary', { deferral: true }))
  expect(statusOf(s, id)).toEqual([18, null, false])
  expect(s.row(id)).toMatchObject({ attempts: 1, result: 'soft-bounced', resultRank: 2 })
})

test('reporting an attempt twice changes nothing, with and without a number', () => {
  const s = story()
  const id = s.send(T0)
  expect(s.attempt(id, T0 + 1, { code: 450, n: 1 }, verdict('greylisted', 'temporary'))).toHaveLength(1)
  expect(s.attempt(id, T0 + 9, { code: 450, n: 1 }, verdict('greylisted', 'temporary'))).toEqual([])
  expect(s.attempt(id, T0 + 2, { code: 550, text: 'no' }, verdict('not-exist'))).toHaveLength(2)
  expect(s.attempt(id, T0 + 3, { code: 550, text: 'no' }, verdict('not-exist'))).toEqual([])
})

const reports = [
  // reason             permanence   policy           status            bounce list
  ['not-exist', 'permanent', 'by-permanence', [4, 406, true], true],
  ['not-exist', 'permanent', 'by-channel', [5, 506, true], true],
  ['not-exist', 'temporary', 'by-permanence', [5, 506, true], false],
  ['mailbox-full', 'temporary', 'by-permanence', [5, 508, true], false],
  ['mailbox-disabled', 'permanent', 'by-permanence', [4, 408, true], false],
  ['spam', 'permanent', 'by-permanence', [4, 407, true], false],
  ['spam', 'permanent', 'by-channel', [5, 507, true], false],
  ['format-error', 'permanent', 'by-channel', [4, 404, true], false],
  ['expired', 'temporary', 'by-permanence', [5, 503, true], false],
  ['unreachable', 'temporary', 'by-permanence', [5, 503, true], false],
  ['other', 'temporary', 'by-permanence', [5, 509, true], false],
] as const

test.each(reports)('NDR: %s %s by %s', (reason, permanence, statusPolicy, want, listed) => {
  const s = story({ statusPolicy })
  const id = s.send(T0)
  s.bounce(id, T0 + HOUR, verdict(reason, permanence))
  expect(statusOf(s, id)).toEqual(want)
  expect(s.entry('bounce', TO) !== null).toBe(listed)
  expect(s.row(id).permanence).toBe(permanence)
})

const kept = [
  // why there is no entry                  verdict                                                  group
  ['weak', verdict('not-exist', 'permanent', { weak: true }), {}],
  ['a 4xx that a rule calls permanent', verdict('not-exist', 'permanent', { code: 450 }), {}],
  ['4.x.x that a rule calls permanent', verdict('not-exist', 'permanent', { code: null, status: '4.1.1' }), {}],
  ['5xx around 4.x.x', verdict('not-exist', 'permanent', { code: 550, status: '4.2.1' }), {}],
  ['forwarded', verdict('not-exist'), { recipient: 'joe@elsewhere.example' }],
  ['expired', verdict('expired', 'permanent'), {}],
] as const

test.each(kept)('the status changes, the bounce list does not: %s', (_, decided, group) => {
  const s = story()
  const id = s.send(T0)
  s.bounce(id, T0 + HOUR, decided, group)
  expect(s.row(id).status).not.toBe(18)
  expect(s.entry('bounce', TO)).toBeNull()
})

test('a failure at another domain is forwarded, at the same domain it is not', () => {
  const s = story()
  const far = s.send(T0)
  s.bounce(far, T0 + 1, verdict('not-exist'), { recipient: 'joe@elsewhere.example' })
  expect(s.row(far).forwarded).toBe(true)
  const near = s.send(T0)
  s.bounce(near, T0 + 1, verdict('not-exist'), { recipient: 'j.smith@EXAMPLE.com' })
  expect(s.row(near).forwarded).toBe(false)
  expect(s.entry('bounce', TO)).toMatchObject({ n: 1, address: TO })
  expect(s.entry('bounce', 'j.smith@example.com')).toBeNull()
})

test('a late bounce changes a delivered status; a 250 that is reported after it is only recorded', () => {
  const s = story()
  const late = s.send(T0)
  s.attempt(late, T0 + 1, { code: 250, n: 1 })
  s.bounce(late, T0 + HOUR, verdict('mailbox-full', 'temporary'))
  expect(statusOf(s, late)).toEqual([5, 508, true])
  expect(s.row(late)).toMatchObject({ result: 'delivered', deliveredAt: T0 + 1 })
  const early = s.send(T0)
  s.bounce(early, T0 + 1, verdict('not-exist'))
  s.attempt(early, T0 + HOUR, { code: 250, n: 1 })
  expect(statusOf(s, early)).toEqual([4, 406, true])
  expect(s.row(early).attempts).toBe(1)
})

test('a report wins over a refusal in the SMTP session, a permanent report over a temporary one', () => {
  const s = story()
  const id = s.send(T0)
  s.attempt(id, T0 + 1, { code: 550, n: 1 }, verdict('spam'))
  s.bounce(id, T0 + 2, verdict('mailbox-full', 'temporary'))
  expect(statusOf(s, id)).toEqual([5, 508, true])
  s.bounce(id, T0 + 3, verdict('not-exist'))
  expect(statusOf(s, id)).toEqual([4, 406, true])
  s.bounce(id, T0 + 4, verdict('mailbox-disabled'))
  expect(statusOf(s, id)).toEqual([4, 406, true])
})

test('the same failure in two wrappings is one', () => {
  const s = story()
  const id = s.send(T0)
  expect(kinds(s.bounce(id, T0 + 1, verdict('not-exist')))).toEqual(['failed', 'list:bounce:add'])
  expect(s.bounce(id, T0 + 2, verdict('not-exist'), { recipient: null })).toEqual([])
})

test('a delay is recorded once for each pair of dates', () => {
  const s = story()
  const id = s.send(T0)
  const delay = (at: number, until: number) =>
    s.report(id, at, { kind: 'delay', recipients: [{ ...GROUP, action: 'delayed', willRetryUntil: until }] })
  expect(kinds(delay(T0 + 1, 5))).toEqual(['delayed'])
  expect(delay(T0 + 2, 5)).toEqual([])
  expect(delay(T0 + 3, 6)).toHaveLength(1)
  expect(statusOf(s, id)).toEqual([18, null, false])
})

test.each(['delivered', 'relayed', 'expanded'] as const)('%s: sending becomes delivered, a bounce stays', (action) => {
  const s = story()
  const id = s.send(T0)
  s.report(id, T0 + 1, { kind: 'delivered', recipients: [{ ...GROUP, action }] })
  expect(statusOf(s, id)).toEqual([1, null, false])
  s.bounce(id, T0 + 2, verdict('other', 'temporary'))
  s.report(id, T0 + 3, { kind: 'delivered', recipients: [{ ...GROUP, action }] })
  expect(statusOf(s, id)).toEqual([5, 509, true])
})

test('recipient groups are independent: if one names our address, the others change nothing', () => {
  const s = story()
  const id = s.send(T0)
  const recipients = [
    { ...GROUP, recipient: 'other@example.net' },
    { ...GROUP, recipient: TO },
  ]
  s.report(id, T0 + 1, { kind: 'bounce', recipients }, { verdicts: [verdict('not-exist'), verdict('mailbox-full', 'temporary')] })
  expect(statusOf(s, id)).toEqual([5, 508, true])
  expect(s.entry('bounce', TO)).toBeNull()
})

test('failed members of an expanded address do not put the address on a list', () => {
  const s = story()
  const id = s.send(T0, { to: 'staff@example.com' })
  const recipients = ['ann@example.com', 'bob@example.com'].map((recipient) => ({ ...GROUP, recipient }))
  s.report(id, T0 + 1, { kind: 'bounce', recipients }, { verdicts: [verdict('not-exist'), verdict('not-exist')] })
  expect(s.row(id)).toMatchObject({ status: 4, forwarded: true })
  expect(s.ledger.suppressions.size).toBe(0)
})

describe('copies of one expanded address', () => {
  const copy = (recipient: string, action: 'failed' | 'delivered' | 'relayed' | 'expanded', originalRecipient: string | null = TO) => ({
    ...GROUP,
    recipient,
    originalRecipient,
    action,
  })
  const gone = copy('gone@example.net', 'failed')
  test.each([
    // the other copy                                            status of the mail
    ['delivered', copy('ann@example.net', 'delivered'), [1, null, false]],
    ['relayed', copy('ann@example.net', 'relayed'), [1, null, false]],
    ['failed too', copy('ann@example.net', 'failed'), [4, 406, true]],
    ['of another address', copy('ann@example.net', 'delivered', 'other@example.com'), [4, 406, true]],
    ['of no stated address', copy('ann@example.net', 'delivered', null), [4, 406, true]],
  ] as const)('one failed, the other %s', (_name, other, want) => {
    for (const recipients of [
      [gone, other],
      [other, gone],
    ]) {
      const s = story()
      const id = s.send(T0)
      const verdicts = recipients.map(({ action }) => (action === 'failed' ? verdict('not-exist') : null))
      const facts = s.report(id, T0 + 1, { kind: 'bounce', recipients }, { verdicts })
      expect(facts.filter(({ kind }) => kind === 'failed').length).toBeGreaterThan(0)
      expect(statusOf(s, id)).toEqual(want)
      expect(s.ledger.suppressions.size).toBe(0)
    }
  })
})

const complaints = [
  // feedback type    facts                                   list          status stays
  ['abuse', ['complaint', 'list:complaint:add'], 'complaint'],
  ['fraud', ['complaint', 'list:complaint:add'], 'complaint'],
  ['opt-out', ['unsubscribe', 'list:unsubscribe:add'], 'unsubscribe'],
  ['opt-out-list', ['unsubscribe', 'list:unsubscribe:add'], 'unsubscribe'],
  ['virus', ['complaint', 'alarm'], null],
  ['other', ['complaint', 'alarm'], null],
  ['never-registered', ['complaint', 'alarm'], null],
] as const

test.each(complaints)('ARF %s', (feedbackType, want, list) => {
  const s = story()
  const id = s.send(T0)
  s.attempt(id, T0 + 1, { code: 250, n: 1 })
  const facts = s.report(id, T0 + HOUR, { kind: 'complaint', complaint: { ...COMPLAINT, feedbackType } })
  expect(kinds(facts)).toEqual(want)
  expect([...s.ledger.suppressions.values()].map((row) => [row.list, row.address])).toEqual(list === null ? [] : [[list, TO]])
  expect(s.row(id).status).toBe(1)
})

test('the setting complaints.types lists further types', () => {
  const s = story({ complaintTypes: ['abuse', 'virus'] })
  const id = s.send(T0)
  expect(kinds(s.report(id, T0 + 1, { kind: 'complaint', complaint: { ...COMPLAINT, feedbackType: 'virus' } }))).toEqual([
    'complaint',
    'list:complaint:add',
  ])
  expect(kinds(s.report(id, T0 + 2, { kind: 'complaint', complaint: { ...COMPLAINT, feedbackType: 'fraud' } }))).toEqual([
    'complaint',
    'alarm',
  ])
})

const SIGNED_BY_LOOP = { reporter: 'loop.example', match: { proof: 'signed' } } as const

test('complaint, again, not-spam, again, and a new complaint', () => {
  const s = story()
  const id = s.send(T0)
  const complain = (at: number) => kinds(s.report(id, at, { kind: 'complaint', complaint: COMPLAINT }, SIGNED_BY_LOOP))
  const reportNotSpam = (at: number) =>
    kinds(s.report(id, at, { kind: 'not-spam', complaint: { ...COMPLAINT, feedbackType: 'not-spam' } }, SIGNED_BY_LOOP))
  expect(complain(T0 + 1)).toEqual(['complaint', 'list:complaint:add'])
  expect(complain(T0 + 2)).toEqual([])
  expect(reportNotSpam(T0 + 3)).toEqual(['not-spam', 'list:complaint:remove'])
  expect(reportNotSpam(T0 + 4)).toEqual([])
  expect(complain(T0 + 5)).toEqual(['complaint', 'list:complaint:add'])
  expect(s.row(id)).toMatchObject({ complaints: 2, complaintEpisode: 2, notSpamEpisode: 1 })
  const entry = s.entry('complaint', TO)
  expect(entry).toMatchObject({ from: T0 + 5, until: T0 + 5 + 180 * DAY, removedAt: null })
})

test('whoever holds a mail makes one complaint about it, whatever names and types he writes', () => {
  const s = story()
  const id = s.send(T0)
  const complain = (reporter: string, feedbackType: string) =>
    kinds(s.report(id, T0 + 1, { kind: 'complaint', complaint: { ...COMPLAINT, feedbackType } }, { reporter }))
  const retract = (reporter: string) =>
    kinds(s.report(id, T0 + 2, { kind: 'not-spam', complaint: COMPLAINT }, { reporter, match: { proof: 'signed' } }))
  expect(complain('a.example', 'abuse')).toEqual(['complaint', 'list:complaint:add'])
  expect(complain('b.example', 'abuse')).toEqual([])
  expect(complain('c.example', 'fraud')).toEqual([])
  expect(complain('a.example', 'virus')).toEqual(['complaint', 'alarm'])
  expect(complain('b.example', 'made-up')).toEqual([])
  // A not-spam report that removes nothing opens no new episode.
  expect(retract('d.example')).toEqual(['not-spam'])
  expect(complain('a.example', 'abuse')).toEqual([])
  expect(s.row(id)).toMatchObject({ complaints: 2, notSpamEpisode: 0 })
  expect(retract('a.example')).toEqual(['not-spam', 'list:complaint:remove'])
  expect(complain('a.example', 'abuse')).toEqual(['complaint', 'list:complaint:add'])
})

const proofs = [
  // complaint   not-spam    of                 removed
  ['signed', 'signed', 'loop.example', true],
  ['signed', 'signed', 'other.example', false],
  ['signed', 'token', 'loop.example', false],
  ['token', 'token', 'loop.example', false],
  ['token', 'signed', 'loop.example', true],
  ['signed', 'operator', 'other.example', true],
] as const

test.each(proofs)('a complaint proven by %s, not-spam by %s of %s: removed %s', (proven, notSpamProof, reporter, removed) => {
  const s = story({ trust: 'any' })
  const id = s.send(T0)
  s.report(id, T0 + 1, { kind: 'complaint', complaint: COMPLAINT }, { reporter: 'loop.example', match: { proof: proven } })
  s.report(id, T0 + 2, { kind: 'not-spam' }, { reporter, match: { proof: notSpamProof } })
  expect(s.entry('complaint', TO)?.removedAt !== null).toBe(removed)
})

test('a not-spam report about another mail removes nothing', () => {
  const s = story()
  const [first, second] = [s.send(T0), s.send(T0)]
  s.report(first, T0 + 1, { kind: 'complaint', complaint: COMPLAINT })
  expect(kinds(s.report(second, T0 + 2, { kind: 'not-spam' }))).toEqual(['not-spam'])
  expect(s.entry('complaint', TO)?.removedAt).toBeNull()
})

test.each(['auth-failure', 'auto-reply', 'mdn'] as const)('%s is filed, with its delivery or without', (kind) => {
  const s = story()
  const id = s.send(T0)
  expect(kinds(s.report(id, T0 + 1, { kind }))).toEqual(['filed'])
  expect(statusOf(s, id)).toEqual([18, null, false])
  const unmatched = s.report(
    id,
    T0 + 2,
    { kind },
    { match: { problem: 'unmatched', deliveryId: null, delivery: null, proof: null, account: 0 } },
  )
  expect(unmatched).toMatchObject([{ kind: 'filed', account: 0, deliveryId: null }])
})

test.each([
  [{}, { ip: '192.0.2.7', userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Thunderbird/115.3 x' }],
  [
    { engagementIp: 'network', engagementUserAgent: 'reading' },
    { ip: '192.0.2.0', userAgent: null },
  ],
  [{ engagementIp: 'none' }, { ip: null }],
] as const)('with %j, an unsubscribe stores %j, and the reading of its client', (settings, stored) => {
  const s = story(settings)
  const delivery = s.row(s.send(T0, {}))
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Thunderbird/115.3\u001b\u202ex'
  const input = {
    ledger: s.ledger,
    how: 'page',
    type: 1,
    ip: '192.0.2.7',
    userAgent,
    digest: null,
    proof: 'token',
    settings: s.settings,
  } as const
  const [fact] = decideUnsubscribe({ ...input, delivery, moment: s.moment(T0 + 1) })
  expect(fact?.data).toMatchObject({ ...stored, browser: 'Thunderbird', browserVersion: '115.3', system: 'Linux' })
  const erased = decideUnsubscribe({ ...input, delivery: { ...delivery, recipient: null }, moment: s.moment(T0 + 1) })
  expect(erased[0]?.data).toMatchObject({ ip: null, userAgent: null, browser: null, system: null })
})

test('unsubscribing by mail, page and one-click: once, without end, for the account or the label', () => {
  const s = story()
  const id = s.send(T0, { label: 'news' })
  expect(kinds(s.report(id, T0 + 1, { kind: 'unsubscribe' }))).toEqual(['unsubscribe', 'list:unsubscribe:add'])
  expect(s.entry('unsubscribe', TO)).toMatchObject({ until: null, scope: '' })
  const again = {
    ledger: s.ledger,
    delivery: s.row(id),
    how: 'page',
    type: 1,
    ip: null,
    userAgent: null,
    digest: null,
    proof: 'token',
    settings: s.settings,
  } as const
  expect(decideUnsubscribe({ ...again, moment: s.moment(T0 + 2) })).toEqual([])
  const label = story({ unsubscribeScope: 'label' })
  const other = label.send(T0, { label: 'news' })
  label.apply(
    decideUnsubscribe({
      ...again,
      ledger: label.ledger,
      delivery: label.row(other),
      settings: label.settings,
      moment: label.moment(T0 + 2),
    }),
  )
  expect(label.entry('unsubscribe', TO, { scope: 'news' })).toMatchObject({ unsubscribeType: 1 })
  expect(label.send(T0 + 3, { label: 'bills' })).not.toBe('')
  expect(label.row(label.send(T0 + 3, { label: 'bills' })).status).toBe(18)
  expect(label.row(label.send(T0 + 3, { label: 'news' }))).toMatchObject({ status: 4, subStatus: 402, result: 'blocked' })
})

const problems = ['unmatched', 'unverified', 'expired', 'unregistered', 'ambiguous'] as const

test.each(problems)('a report that is %s goes to the inbox and changes nothing', (problem) => {
  const s = story()
  const id = s.send(T0)
  const facts = s.bounce(id, T0 + 1, verdict('not-exist'), {}, { problem, proof: null })
  expect(facts).toMatchObject([{ kind: 'inbox', deliveryId: id, data: { reason: problem, state: 'open', mail: 'bounce' } }])
  expect(statusOf(s, id)).toEqual([18, null, false])
  expect(s.ledger.suppressions.size).toBe(0)
  const [row] = [...s.ledger.inbox.values()]
  expect(row).toMatchObject({ state: 'open', deliveryId: id })
})

test('an accepted mail is proven by the operator, and stays accepted in the inbox', () => {
  const s = story()
  const id = s.send(T0)
  s.bounce(id, T0 + 1, verdict('not-exist'), {}, { problem: 'unverified', proof: null })
  const [row] = [...s.ledger.inbox.values()]
  const operator = { actor: 'op', settings: s.settings, moment: s.moment(T0 + 2) }
  const accepted =
    row === undefined ? [] : s.apply(decideInboxChange(row, { state: 'accepted', deliveryId: id, otherRecipient: null }, operator))
  expect(kinds(accepted)).toEqual(['inbox', 'audit'])
  s.bounce(id, T0 + 2, verdict('not-exist'), {}, { proof: 'operator', via: 'hand' })
  expect(statusOf(s, id)).toEqual([4, 406, true])
  expect([...s.ledger.inbox.values()]).toMatchObject([{ state: 'accepted' }])
})

test('a double bounce is filed and changes neither status nor list', () => {
  const s = story()
  const id = s.send(T0)
  const before = statusOf(s, id)
  expect(s.report(id, T0 + 1, { kind: 'bounce' }, { isDoubleBounce: true })).toMatchObject([{ kind: 'filed', data: { what: 'other' } }])
  expect(statusOf(s, id)).toEqual(before)
  expect(s.ledger.suppressions.size).toBe(0)
})

test('unreadable mail and mail for postmaster go to the inbox', () => {
  const s = story()
  const id = s.send(T0)
  const unmatched: Over = { match: { problem: 'unmatched', deliveryId: null, delivery: null, proof: null, account: 0 } }
  expect(s.report(id, T0 + 1, { kind: 'unreadable' }, unmatched)).toMatchObject([{ kind: 'inbox', data: { reason: 'unreadable' } }])
  expect(s.report(id, T0 + 1, { kind: 'other' }, { ...unmatched, isForHumans: true })).toMatchObject([
    { kind: 'inbox', data: { reason: 'postmaster' } },
  ])
  expect(kinds(s.report(id, T0 + 1, { kind: 'other' }))).toEqual(['filed', 'inbox'])
})

const OFFLINE = formatDeliveryId({ day: 2_343, account: 9, sequence: 1 }) ?? ''

test('a report changes the status of a stub, but no list until it is registered', () => {
  const s = story()
  const facts = s.bounce(OFFLINE, T0 + 1, verdict('not-exist'), { recipient: TO })
  expect(kinds(facts)).toEqual(['stub', 'failed'])
  expect(s.row(OFFLINE)).toMatchObject({ registered: false, status: 4, subStatus: 406, account: 1 })
  expect(s.ledger.suppressions.size).toBe(0)
  expect(kinds(s.report(OFFLINE, T0 + 2, { kind: 'complaint', complaint: COMPLAINT }))).toEqual(['complaint'])
  s.send(T0 + 3, { id: OFFLINE })
  expect(s.row(OFFLINE)).toMatchObject({ registered: true, status: 4, recipient: TO })
  expect(s.entry('bounce', TO)).toMatchObject({ n: 1, deliveryId: OFFLINE })
})

test('a report about a forwarded stub changes no list when the stub is registered', () => {
  const s = story()
  s.bounce(OFFLINE, T0 + 1, verdict('not-exist'), { recipient: 'joe@elsewhere.example' })
  s.send(T0 + 3, { id: OFFLINE })
  expect(s.entry('bounce', TO)).toBeNull()
})

test('lists take the address of the delivery, never one that the report names', () => {
  const s = story()
  const id = s.send(T0)
  s.report(id, T0 + 1, { kind: 'complaint', complaint: { ...COMPLAINT, originalRcptTo: ['victim@example.net'] } })
  expect([...s.ledger.suppressions.values()].map((row) => row.address)).toEqual([TO])
})

test('our own lists refuse a recipient before anything is sent', () => {
  const s = story()
  const first = s.send(T0)
  s.bounce(first, T0 + 1, verdict('not-exist'))
  const second = s.send(T0 + 2)
  expect(s.row(second)).toMatchObject({ status: 4, subStatus: 401, asynchronous: false, reason: 'blacklisted', result: 'blocked' })
  expect(s.row(second).sendLog).toBe('Blacklist: Bounce(worker:address in bounce list)')
  const answer = s.facts.find((fact) => fact.kind === 'failed' && fact.deliveryId === second)
  expect(answer?.data).toMatchObject({ billable: false, source: 'list' })
  expect(s.row(s.send(T0 + 31 * DAY)).status).toBe(18)
})

test('an invalid address: 404', () => {
  const s = story()
  expect(s.row(s.send(T0, { to: 'not an address' }))).toMatchObject({ status: 4, subStatus: 404, reason: 'format-error', result: 'failed' })
})

test('a broadcast: duplicate, no email selected, opened from delivered only', () => {
  const s = story()
  const broadcast = 'spring'
  const first = s.send(T0, { broadcast })
  const excluded = { status: 4, subStatus: 409, fault: 'list', asynchronous: false }
  expect(s.row(s.send(T0 + 1, { broadcast }))).toMatchObject({ result: 'duplicate', ...excluded })
  expect(s.row(s.send(T0 + 1, { broadcast: 'summer' })).result).toBe('sent')
  expect(s.row(s.send(T0 + 1, { broadcast, to: null }))).toMatchObject({ result: 'no-email-selected', status: 4, subStatus: 404 })
  const unselected = s.row(s.send(T0 + 1, { broadcast, to: 'ann@example.com', isSelected: false }))
  expect(unselected).toMatchObject({ result: 'no-email-selected', ...excluded })
  expect([...countersOf(unselected), ...siteCountersOf(unselected)]).toEqual([])
  s.attempt(first, T0 + 2, { code: 250, n: 1 })
  expect(s.row(first).result).toBe('delivered')
})

test('an account that sets a time limit gives up deliveries without an outcome, with the reason of the last retry', () => {
  const s = story({ giveUpAfterDays: 5 })
  const id = s.send(T0)
  expect(isOverdue(s.row(id), s.settings, T0 + 5 * DAY - MINUTE)).toBe(false)
  expect(decideGiveUp({ delivery: s.row(id), lastAttempt: null, settings: s.settings, moment: s.moment(T0 + DAY) })).toEqual([])
  s.apply(decideGiveUp({ delivery: s.row(id), lastAttempt: null, settings: s.settings, moment: s.moment(T0 + 5 * DAY) }))
  expect(statusOf(s, id)).toEqual([5, 503, false])
  const other = s.send(T0)
  const last = {
    text: '452 4.2.2 over quota',
    verdict: {
      ...verdict('mailbox-full', 'temporary'),
      matched: [],
      text: '',
      code: 452,
      replyStatus: null,
      permanenceFrom: 'reply-code',
      provider: null,
    },
  } as const
  s.apply(decideGiveUp({ delivery: s.row(other), lastAttempt: last, settings: s.settings, moment: s.moment(T0 + 6 * DAY) }))
  expect(statusOf(s, other)).toEqual([5, 508, false])
  expect(s.row(other).sendLog).toBe('452 4.2.2 over quota')
})

test('without a time limit, a delivery without an outcome stays sent', () => {
  const s = story()
  const id = s.send(T0)
  expect(isOverdue(s.row(id), s.settings, T0 + 400 * DAY)).toBe(false)
  s.apply(decideGiveUp({ delivery: s.row(id), lastAttempt: null, settings: s.settings, moment: s.moment(T0 + 400 * DAY) }))
  expect(statusOf(s, id)).toEqual([18, null, false])
  expect(s.row(id).result).toBe('sent')
})

test('the complaint list holds 180 days', () => {
  const s = story()
  s.report(s.send(T0), T0, { kind: 'complaint', complaint: COMPLAINT })
  const entry = s.entry('complaint', TO)
  expect([179, 181].map((days) => entry !== null && isEntryInForce(entry, T0 + days * DAY))).toEqual([true, false])
})

test('the site that a proven report names applies to list entry and counters, and changes with the status', () => {
  const s = story()
  const id = s.send(T0)
  const recipients = [{ ...GROUP, recipient: TO }]
  s.report(id, T0 + HOUR, { kind: 'bounce', recipients }, { verdicts: [verdict('not-exist')], sites: ['google'] })
  expect(s.entry('bounce', TO)).toMatchObject({ site: 'google' })
  expect(s.row(id)).toMatchObject({ site: 'example.com', remoteSite: 'google' })
  expect(siteCountersOf(s.row(id)).map(({ site }) => site)).toEqual(['google', 'google'])
  s.report(id, T0, { kind: 'bounce', recipients }, { verdicts: [verdict('mailbox-disabled')] })
  expect(siteCountersOf(s.row(id)).map(({ site }) => site)).toEqual(['example.com'])
})

test('behind a forwarder the remote server is not the site of the delivery', () => {
  const s = story()
  const id = s.send(T0)
  const recipients = [{ ...GROUP, recipient: 'joe@elsewhere.example.net' }]
  s.report(id, T0 + HOUR, { kind: 'bounce', recipients }, { verdicts: [verdict('not-exist')], sites: ['google'] })
  expect(s.row(id)).toMatchObject({ forwarded: true, remoteSite: null })
})
