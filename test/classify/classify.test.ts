/**
 * classify.test - verdicts: permanence and weakness in their order, whose reply it is, what a reply around a reply means, and that any subject
 * gets one
 */
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { describe, expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { collectProviderHints } from '../../src/classify/subject.ts'
import { compileRuleTable, readEvidence, classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import { readRuleFile } from '../../src/classify/rule-grammar.ts'
import { subStatusOf } from '../../src/classify/permanence.ts'
import { normaliseText } from '../../src/classify/phrase.ts'
import { providerByHints, providerByTokens, siteOf } from '../../src/classify/provider.ts'
import { REASONS } from '../../src/classify/reasons.ts'
import { buildRuleTable } from '../../src/classify/rule-table.ts'
import type { ProviderHint, ClassifierInput } from '../../src/classify/verdict.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { NO_REPLY } from '../../src/mail/smtp/reply.ts'

const table = loadRules()
const subject = (text: string, more: Partial<ClassifierInput> = {}): ClassifierInput => ({ ...classifierInputOfText(text), ...more })
const silent = (more: Partial<ClassifierInput>): ClassifierInput => ({
  reply: NO_REPLY,
  reportStatus: null,
  action: 'failed',
  text: '',
  hints: [],
  ...more,
})

describe('permanence, the first that there is', () => {
  const cases = [
    // subject                                                              reason          permanence   from            sub  weak
    [subject('550 5.1.1 no such user'), 'not-exist', 'permanent', 'reply-code', 406, false],
    [subject('450 5.1.1 no such user'), 'not-exist', 'temporary', 'reply-code', 506, false],
    [subject('5.1.1 no such user'), 'not-exist', 'permanent', 'reply-status', 406, false],
    [subject('4.1.1 no such user', { reportStatus: '5.1.1' }), 'not-exist', 'temporary', 'reply-status', 506, false],
    [subject('no such user', { reportStatus: '5.1.1' }), 'not-exist', 'permanent', 'report-status', 406, true],
    [subject('no such user', { reportStatus: '4.1.1' }), 'not-exist', 'temporary', 'report-status', 506, true],
    [subject('no such user'), 'not-exist', 'permanent', 'default', 406, false],
    [silent({ reportStatus: '5.1.1' }), 'not-exist', 'permanent', 'report-status', 406, true],
    [silent({ reportStatus: '5.2.2' }), 'mailbox-full', 'temporary', 'reason', 508, true],
    [subject('552 5.2.2 mailbox full'), 'mailbox-full', 'temporary', 'reason', 508, false],
    [subject('554 5.7.1 blocked using zen.example.net'), 'ip-blocked', 'temporary', 'reason', 505, false],
    [subject('550 xyzzy'), 'other', 'permanent', 'reply-code', 409, false],
    [subject('xyzzy'), 'other', 'temporary', 'default', 509, false],
  ] as const

  test.each(cases)('%j', (given, reason, permanence, from, subStatus, weak) => {
    const verdict = classify(table, given)
    expect([verdict.reason, verdict.permanence, verdict.evidence.permanenceFrom, verdict.subStatus, verdict.weak]).toEqual([
      reason,
      permanence,
      from,
      subStatus,
      weak,
    ])
  })
})

describe('what lies and what wins', () => {
  const cases = [
    // sendmail around a DMARC refusal; the made-up status does not make the address invalid
    [subject('550 5.7.26 unauthenticated email from example.org is not accepted', { reportStatus: '5.1.1' }), 'auth-failure'],
    [subject('550 5.1.1 message rejected as spam'), 'spam'],
    // Exim's status is always x.0.0
    [subject('550 Mailbox quota exceeded', { reportStatus: '5.0.0' }), 'mailbox-full'],
    // the reply's code before the words around it
    [subject('550 5.1.1 xyzzy', { text: 'Your mailbox is full. 550 5.1.1 xyzzy' }), 'not-exist'],
    // no word known in the reply: the words around it
    [subject('550 xyzzy', { text: 'The mailbox is full. 550 xyzzy' }), 'mailbox-full'],
    // given up, with the remote answer inside
    [subject('452 4.2.2 mailbox full', { reportStatus: '5.4.7', text: 'Delivery time expired. 452 4.2.2 mailbox full' }), 'mailbox-full'],
    [silent({ reportStatus: '4.4.7', text: 'Message expired after 5 days' }), 'expired'],
    // about the sender, not about the recipient
    [subject('550 user unknown', { text: 'host mx.example.com said: 550 user unknown (in reply to MAIL FROM command)' }), 'policy'],
    [subject('550 5.4.1 Recipient address rejected: Access denied'), 'not-exist'],
    [subject('550 5.4.1 no answer'), 'unreachable'],
    [silent({ action: 'delayed' }), 'other'],
  ] as const

  test.each(cases)('%j', (given, reason) => {
    expect(classify(table, given).reason).toBe(reason)
  })
})

describe('deferral', () => {
  const rules = `provider = "common"
[[rule]]
id = "often"
reason = "rate-limited"
deferral = true
says = ["frequency limited"]
hits = ["550 frequency limited"]
misses = ["550 limited"]`
  const own = compileRuleTable([readRuleFile({ file: 'x', layer: 'shipped' }, parse(rules))])
  const cases = [
    ['550 frequency limited', true],
    ['550 limited', false],
    ['450 limited', true],
    ['4.1.1 limited', true],
  ] as const

  test.each(cases)('%s: %s', (text, wanted) => {
    expect(classify(own, classifierInputOfText(text)).deferral).toBe(wanted)
  })

  test('a delay report', () => {
    expect(classify(own, silent({ action: 'delayed' })).deferral).toBe(true)
  })
})

describe('whose reply it is', () => {
  const files = [
    `provider = "alpha"\nmx = ["*.alpha.test", "mx.alpha-in.test"]\ndomains = ["alpha.test"]\ntokens = ["[alp01]"]\nowns = ["5.4.1"]\nsites = { "alpha-free" = ["*.free.alpha.test"] }`,
    `provider = "beta"\nmx = ["*.beta.test"]\ndomains = ["beta.test"]\ngateway = true`,
    `provider = "standard"\n[[rule]]\nid = "s"\nreason = "unreachable"\nstatus = ["x.4.1"]\nhits = ["550 5.4.1"]\nmisses = ["550 5.4.2"]`,
  ]
  const own = buildRuleTable(files.map((text, at) => readRuleFile({ file: `${at}`, layer: 'shipped' }, parse(text))))
  const clue = (source: ProviderHint['source'], value: string): ProviderHint => ({ source, value })
  const cases = [
    [[clue('delivery-mx', 'MX1.alpha.test.')], '', 'alpha', 'delivery-mx'],
    [[clue('recipient-domain', 'alpha.test'), clue('remote-mta', 'in.beta.test')], '', 'beta', 'remote-mta'],
    [[clue('quoted-host', 'in.beta.test'), clue('dkim', 'alpha.test')], '', 'beta', 'quoted-host'],
    [[clue('dkim', 'alpha.test'), clue('recipient-domain', 'beta.test')], '', 'alpha', 'dkim'],
    [[clue('remote-mta', 'mx.elsewhere.test'), clue('recipient-domain', 'beta.test')], '', 'beta', 'recipient-domain'],
    [[clue('remote-mta', 'notalpha.test')], 'refused [ALP01]', 'alpha', 'token'],
    [[clue('recipient-domain', 'sub.beta.test')], '', null, null],
    [[], 'refused', null, null],
  ] as const

  test.each(cases)('%j %s: %s', (hints, text, provider, source) => {
    const found = providerByHints(own.siteIndex, hints) ?? providerByTokens(own, own.phraseIndex.findPhrases(normaliseText(text)))
    expect(found).toEqual(provider === null ? null : { provider, source })
  })

  test('standard leaves the codes alone that a provider owns', () => {
    expect(classify(own, subject('550 5.4.1 xyzzy')).reason).toBe('unreachable')
    expect(classify(own, subject('550 5.4.1 xyzzy', { hints: [clue('delivery-mx', 'mx.alpha.test')] })).reason).toBe('other')
  })

  const sites = [
    [{ mx: 'a.free.alpha.test', domain: 'x.test' }, 'alpha-free', 'alpha', false],
    [{ mx: 'mx.alpha-in.test', domain: 'x.test' }, 'alpha', 'alpha', false],
    [{ mx: null, domain: 'alpha.test' }, 'alpha', 'alpha', false],
    [{ mx: 'in.beta.test', domain: 'shop.test' }, 'beta', 'beta', true],
    [{ mx: 'mail.shop.test', domain: 'Shop.test' }, 'shop.test', null, false],
    [{ mx: 'mail.shop.test' }, 'mail.shop.test', null, false],
    [{}, '', null, false],
  ] as const

  test.each(sites)('siteOf %j', (where, site, provider, isGateway) => {
    expect(siteOf(own, where)).toEqual({ site, provider, isGateway })
  })

  test('clues of a recipient', () => {
    const recipient = {
      recipient: 'ann@example.com',
      originalRecipient: 'a@example.org',
      remoteMta: 'mx.example.com',
      replySource: 'text',
    } as const
    expect(collectProviderHints(recipient, { deliveryMx: 'mx1.example.com', dkimDomain: null })).toEqual([
      clue('delivery-mx', 'mx1.example.com'),
      clue('quoted-host', 'mx.example.com'),
      clue('recipient-domain', 'example.com'),
      clue('recipient-domain', 'example.org'),
    ])
  })
})

describe('sub status', () => {
  const cases = [
    ['not-exist', 'permanent', 'by-permanence', true, 406],
    ['not-exist', 'permanent', 'by-channel', true, 506],
    ['not-exist', 'permanent', 'by-channel', false, 406],
    ['not-exist', 'temporary', 'by-channel', false, 506],
    ['unreachable', 'temporary', 'by-permanence', false, 403],
    ['unreachable', 'permanent', 'by-permanence', true, 503],
    ['format-error', 'temporary', 'by-permanence', true, 404],
  ] as const

  test.each(cases)('%s %s %s %s: %i', (reason, permanence, policy, asynchronous, wanted) => {
    expect(subStatusOf({ reason, permanence, policy, asynchronous })).toBe(wanted)
  })
})

describe('evidence is read', () => {
  const cases = [
    ['550 5.1.1 No such user', { code: 550, status: '5.1.1', text: 'No such user' }],
    ['550-5.1.1 No such', { code: 550, status: '5.1.1', text: 'No such' }],
    ['550 #5.1.0 Address rejected', { code: 550, status: '5.1.0', text: 'Address rejected' }],
    ['4.2.2 full', { code: null, status: '4.2.2', text: 'full' }],
    ['554', { code: 554, status: null, text: '' }],
    ['Sorry, I could not', { code: null, status: null, text: 'Sorry, I could not' }],
    ['', NO_REPLY],
  ] as const

  test.each(cases)('%j', (text, reply) => expect(readEvidence(text)).toEqual(reply))
})

describe('any subject', () => {
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.lorem({ maxCount: 40 }))
  const status = fc.option(fc.oneof(fc.constantFrom('5.1.1', '4.4.7', '5.0.0', '2.0.0', '5.7.606'), fc.string({ maxLength: 9 })))
  const arbitrary: fc.Arbitrary<ClassifierInput> = fc.record({
    reply: fc.record({ code: fc.option(fc.integer({ min: 0, max: 999 })), status, text }),
    reportStatus: status,
    action: fc.constantFrom('failed', 'delayed', 'delivered', 'relayed', 'expanded'),
    text,
    hints: fc.array(
      fc.record({ source: fc.constantFrom('delivery-mx', 'remote-mta', 'quoted-host', 'dkim', 'recipient-domain', 'token'), value: text }),
    ),
  })

  test('gets a verdict, and the same one again', () => {
    fc.assert(
      fc.property(arbitrary, (given) => {
        const verdict = classify(table, given)
        expect(Object.hasOwn(REASONS, verdict.reason)).toBe(true)
        expect(verdict.evidence.text.length).toBeLessThanOrEqual(2_048)
        expect(classify(table, given)).toEqual(verdict)
      }),
      { numRuns: 300 },
    )
  })

  test('hostile repetition costs no more than its length', () => {
    const worst = ['user unknown ', 'blocked listed at ', 'aaaa', 'mailbox ', 'not ', '邮箱'].map((one) => one.repeat(100_000))
    const start = performance.now()
    for (const one of worst) classify(table, { ...classifierInputOfText('550 x'), text: one })
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})
