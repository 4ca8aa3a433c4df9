/**
 * classify.test - verdicts: permanence and weakness, identification of the provider, replies inside replies, and totality
 */
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { describe, expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { classifierInputOfReport } from '../../src/classify/classifier-input.ts'
import { compileRuleTable, classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import { readRuleFile } from '../../src/classify/rule-grammar.ts'
import { subStatusOf } from '../../src/classify/permanence.ts'
import { MAX_RULE_TEXT_LENGTH, normaliseText } from '../../src/classify/phrase.ts'
import { providerByHints, providerByTokens, siteOf } from '../../src/classify/provider.ts'
import { REASONS } from '../../src/classify/reasons.ts'
import { buildRuleTable } from '../../src/classify/rule-table.ts'
import { type ClassifierInput, PROVIDER_HINT_SOURCES, type ProviderHint } from '../../src/classify/verdict.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { NO_REPLY } from '../../src/mail/smtp/reply.ts'

const table = loadRules()
const inputOf = (text: string, more: Partial<ClassifierInput> = {}): ClassifierInput => ({ ...classifierInputOfText(text), ...more })
const inputWithoutReply = (more: Partial<ClassifierInput>): ClassifierInput => ({
  reply: NO_REPLY,
  reportStatus: null,
  action: 'failed',
  text: '',
  hints: [],
  ...more,
})

describe('permanence comes from the first source that has an answer', () => {
  const cases = [
    // input                                                                reason          permanence   from            sub  weak
    [inputOf('550 5.1.1 no such user'), 'not-exist', 'permanent', 'reply-code', 406, false],
    [inputOf('450 5.1.1 no such user'), 'not-exist', 'temporary', 'reply-code', 506, false],
    [inputOf('5.1.1 no such user'), 'not-exist', 'permanent', 'reply-status', 406, false],
    [inputOf('4.1.1 no such user', { reportStatus: '5.1.1' }), 'not-exist', 'temporary', 'reply-status', 506, false],
    [inputOf('no such user', { reportStatus: '5.1.1' }), 'not-exist', 'permanent', 'report-status', 406, true],
    [inputOf('no such user', { reportStatus: '4.1.1' }), 'not-exist', 'temporary', 'report-status', 506, true],
    [inputOf('no such user'), 'not-exist', 'permanent', 'default', 406, false],
    [inputWithoutReply({ reportStatus: '5.1.1' }), 'not-exist', 'permanent', 'report-status', 406, true],
    [inputWithoutReply({ reportStatus: '5.2.2' }), 'mailbox-full', 'temporary', 'reason', 508, true],
    [inputOf('552 5.2.2 mailbox full'), 'mailbox-full', 'temporary', 'reason', 508, false],
    [inputOf('554 5.7.1 blocked using zen.example.net'), 'ip-blocked', 'temporary', 'reason', 505, false],
    [inputOf('550 xyzzy'), 'other', 'permanent', 'reply-code', 409, false],
    [inputOf('xyzzy: permanent failure'), 'other', 'permanent', 'reply-words', 409, false],
    [inputOf('451 xyzzy: permanent error'), 'other', 'temporary', 'reply-code', 509, false],
    [inputOf('xyzzy, not a permanent error'), 'other', 'temporary', 'default', 509, false],
    [inputWithoutReply({ text: 'This is a permanent error; I have given up. xyzzy' }), 'other', 'temporary', 'default', 509, false],
    [inputOf('xyzzy', { text: 'This is a permanent error. xyzzy' }), 'other', 'temporary', 'default', 509, false],
    [inputOf('xyzzy'), 'other', 'temporary', 'default', 509, false],
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

describe('words, enhanced codes and codes, in order of precedence', () => {
  const cases = [
    // sendmail wraps a DMARC refusal; its invented status does not make the address invalid
    [inputOf('550 5.7.26 unauthenticated email from example.org is not accepted', { reportStatus: '5.1.1' }), 'auth-failure'],
    [inputOf('550 5.1.1 message rejected as spam'), 'spam'],
    // Exim's status is always x.0.0
    [inputOf('550 Mailbox quota exceeded', { reportStatus: '5.0.0' }), 'mailbox-full'],
    // the code of the reply comes before the text around it
    [inputOf('550 5.1.1 xyzzy', { text: 'Your mailbox is full. 550 5.1.1 xyzzy' }), 'not-exist'],
    // the reply matches no phrase: the text around it
    [inputOf('550 xyzzy', { text: 'The mailbox is full. 550 xyzzy' }), 'mailbox-full'],
    // expired, with the remote reply inside
    [inputOf('452 4.2.2 mailbox full', { reportStatus: '5.4.7', text: 'Delivery time expired. 452 4.2.2 mailbox full' }), 'mailbox-full'],
    [inputWithoutReply({ reportStatus: '4.4.7', text: 'Message expired after 5 days' }), 'expired'],
    // about the sender, not the recipient
    [inputOf('550 user unknown', { text: 'host mx.example.com said: 550 user unknown (in reply to MAIL FROM command)' }), 'policy'],
    [inputOf('550 5.4.1 Recipient address rejected: Access denied'), 'not-exist'],
    [inputOf('550 5.4.1 no answer'), 'unreachable'],
    [inputWithoutReply({ action: 'delayed' }), 'other'],
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
  const table = compileRuleTable([readRuleFile({ file: 'x', layer: 'shipped' }, parse(rules))])
  const cases = [
    ['550 frequency limited', true],
    ['550 limited', false],
    ['450 limited', true],
    ['4.1.1 limited', true],
  ] as const

  test.each(cases)('%s: %s', (text, expected) => {
    expect(classify(table, classifierInputOfText(text)).deferral).toBe(expected)
  })

  test('a delay report is a deferral', () => {
    expect(classify(table, inputWithoutReply({ action: 'delayed' })).deferral).toBe(true)
  })
})

describe('identification of the provider', () => {
  const files = [
    `provider = "alpha"\nmx = ["*.alpha.test", "mx.alpha-in.test"]\ndomains = ["alpha.test"]\ntokens = ["[alp01]"]\nowns = ["5.4.1"]\nsites = { "alpha-free" = ["*.free.alpha.test"] }`,
    `provider = "beta"\nmx = ["*.beta.test"]\ndomains = ["beta.test"]\ngateway = true`,
    `provider = "standard"\n[[rule]]\nid = "s"\nreason = "unreachable"\nstatus = ["x.4.1"]\nhits = ["550 5.4.1"]\nmisses = ["550 5.4.2"]`,
  ]
  const table = buildRuleTable(files.map((text, at) => readRuleFile({ file: `${at}`, layer: 'shipped' }, parse(text))))
  const hint = (source: ProviderHint['source'], value: string): ProviderHint => ({ source, value })
  const cases = [
    [[hint('delivery-mx', 'MX1.alpha.test.')], '', 'alpha', 'delivery-mx'],
    [[hint('recipient-domain', 'alpha.test'), hint('remote-mta', 'in.beta.test')], '', 'beta', 'remote-mta'],
    [[hint('quoted-host', 'in.beta.test'), hint('dkim', 'alpha.test')], '', 'beta', 'quoted-host'],
    [[hint('dkim', 'alpha.test'), hint('recipient-domain', 'beta.test')], '', 'alpha', 'dkim'],
    [[hint('remote-mta', 'mx.elsewhere.test'), hint('recipient-domain', 'beta.test')], '', 'beta', 'recipient-domain'],
    [[hint('reporter', 'alpha.test'), hint('recipient-domain', 'beta.test')], '', 'beta', 'recipient-domain'],
    [[hint('reporter', 'alpha.test')], '', 'alpha', 'reporter'],
    [[hint('remote-mta', 'notalpha.test')], 'refused [ALP01]', 'alpha', 'token'],
    [[hint('recipient-domain', 'sub.beta.test')], '', null, null],
    [[], 'refused', null, null],
  ] as const

  test.each(cases)('%j %s: %s', (hints, text, provider, source) => {
    const found = providerByHints(table.siteIndex, hints) ?? providerByTokens(table, table.phraseIndex.findPhrases(normaliseText(text)))
    expect(found).toEqual(provider === null ? null : { provider, source })
  })

  test('standard does not decide statuses that a provider owns', () => {
    expect(classify(table, inputOf('550 5.4.1 xyzzy')).reason).toBe('unreachable')
    expect(classify(table, inputOf('550 5.4.1 xyzzy', { hints: [hint('delivery-mx', 'mx.alpha.test')] })).reason).toBe('other')
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

  test.each(sites)('siteOf %j', (input, site, provider, isGateway) => {
    expect(siteOf(table, input)).toEqual({ site, provider, isGateway })
  })

  test('provider hints of a recipient, the most trusted first', () => {
    const recipient = {
      recipient: 'ann@example.com',
      originalRecipient: 'a@example.org',
      remoteMta: 'mx.example.com',
      replySource: 'text',
    } as const
    const group = {
      ...recipient,
      action: 'failed',
      status: null,
      reply: NO_REPLY,
      text: '',
      lastAttemptAt: null,
      willRetryUntil: null,
    } as const
    expect(classifierInputOfReport(group, { deliveryMx: 'mx1.example.com', dkimDomain: null }).hints).toEqual([
      hint('delivery-mx', 'mx1.example.com'),
      hint('quoted-host', 'mx.example.com'),
      hint('recipient-domain', 'example.com'),
      hint('recipient-domain', 'example.org'),
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

  test.each(cases)('%s %s %s %s: %i', (reason, permanence, policy, asynchronous, expected) => {
    expect(subStatusOf({ reason, permanence, policy, asynchronous })).toBe(expected)
  })
})

describe('a reply as text', () => {
  const cases = [
    ['550 5.1.1 No such user', { code: 550, status: '5.1.1', text: 'No such user' }],
    ['550-5.1.1 No such', { code: 550, status: '5.1.1', text: 'No such' }],
    ['550 #5.1.0 Address rejected', { code: 550, status: '5.1.0', text: 'Address rejected' }],
    ['4.2.2 full', { code: null, status: '4.2.2', text: 'full' }],
    ['554', { code: 554, status: null, text: '' }],
    ['Sorry, I could not', { code: null, status: null, text: 'Sorry, I could not' }],
    ['', NO_REPLY],
  ] as const

  test.each(cases)('%j', (text, reply) => expect(classifierInputOfText(text).reply).toEqual(reply))
})

describe('any input', () => {
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.lorem({ maxCount: 40 }))
  const status = fc.option(fc.oneof(fc.constantFrom('5.1.1', '4.4.7', '5.0.0', '2.0.0', '5.7.606'), fc.string({ maxLength: 9 })))
  const arbitrary: fc.Arbitrary<ClassifierInput> = fc.record({
    reply: fc.record({ code: fc.option(fc.integer({ min: 0, max: 999 })), status, text }),
    reportStatus: status,
    action: fc.constantFrom('failed', 'delayed', 'delivered', 'relayed', 'expanded'),
    text,
    hints: fc.array(fc.record({ source: fc.constantFrom(...PROVIDER_HINT_SOURCES), value: text })),
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

  test.each(['user unknown ', 'blocked listed at ', 'aaaa', 'mailbox ', 'not ', '邮箱'])(
    'only the beginning of a long text is read: %j',
    (word) => {
      const text = word.repeat(100_000)
      const verdictOn = (read: string) => classify(table, { ...classifierInputOfText('550 x'), text: read })
      expect(verdictOn(`${text} the mailbox is full`)).toEqual(verdictOn(text.slice(0, MAX_RULE_TEXT_LENGTH)))
    },
  )
})
