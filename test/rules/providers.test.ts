/**
 * providers.test - the shipped rules: they load, every file and rule is complete, and the same words are classified differently at
 * different
 * providers if they mean different things there
 */
import { describe, expect, test } from 'vitest'
import { classify, classifyForProvider } from '../../src/classify/classify.ts'
import { classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import type { Permanence, ProviderHint } from '../../src/classify/verdict.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { readRuleFolder, SHIPPED_RULES } from '../../src/config/rule-folder.ts'

const table = loadRules()
const files = readRuleFolder(SHIPPED_RULES, 'shipped').filter((file) => file.provider !== 'common' && file.provider !== 'standard')

const decide = (provider: string, text: string) =>
  classifyForProvider(table, classifierInputOfText(text), provider === '' ? null : { provider, source: 'delivery-mx' })
const hint = (source: ProviderHint['source'], value: string): ProviderHint => ({ source, value })

describe('provider files', () => {
  test.each(files.map((file) => [file.file, file] as const))('%s identifies its provider and names a source', (name, file) => {
    expect(name).toBe(`${file.provider}.toml`)
    expect(file.mx.length + file.domains.length + file.tokens.length).toBeGreaterThan(0)
    expect([file.source ?? []].flat().length).toBeGreaterThan(0)
    expect(file.rules.length).toBeGreaterThan(0)
  })

  test.each(files.flatMap((file) => file.rules.map((rule) => [rule.id, rule] as const)))('%s has hits and misses', (_, rule) => {
    expect(rule.hits.length).toBeGreaterThan(0)
    expect(rule.misses.length).toBeGreaterThan(0)
  })

  test('no domain and no host pattern occurs in two files', () => {
    const names = files.flatMap((file) => [...file.domains, ...file.mx])
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  })

  test('evidence uses reserved addresses only', () => {
    const texts = files
      .flatMap((file) => file.rules.flatMap((rule) => [...rule.hits, ...rule.misses]))
      .map((each) => (typeof each === 'string' ? each : each.text))
    const hosts = texts.flatMap((text) => text.match(/\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b/g) ?? [])
    expect(hosts.filter((ip) => !/^(?:192\.0\.2|198\.51\.100|203\.0\.113)\./.test(ip))).toEqual([])
  })
})

/** Replies whose words mean something else at other providers. */
const lookAlikes: readonly (readonly [string, string, string, string])[] = [
  // provider         reply                                                               reason               pause
  ['yandex', '550 5.7.1 No such user!', 'not-exist', ''],
  ['yandex', '550 5.7.1 Policy rejection on the target address', 'mailbox-disabled', ''],
  ['apple', '550 5.7.1 Mail from IP 192.0.2.1 was rejected due to listing in Spamhaus SBL', 'ip-blocked', 'ip-blocklist'],
  ['apple', "554 5.7.1 Your message was rejected due to example.com's DMARC policy", 'auth-failure', ''],
  ['google', '550 5.7.1 Our system has detected that this message is likely unsolicited mail. - gsmtp', 'spam', 'content'],
  ['google', '550 5.7.1 likely suspicious due to the very low reputation of the sending domain - gsmtp', 'domain-blocked', ''],
  ['google', '550 5.7.1 likely suspicious due to the very low reputation of the sending IP - gsmtp', 'ip-blocked', 'ip-reputation'],
  ['sfr', '550 5.7.1 <nobody@sfr.fr>: Recipient address rejected: User unknown', 'not-exist', ''],
  ['microsoft-365', '550 5.4.1 Recipient address rejected: Access denied. AS(201806281)', 'not-exist', ''],
  ['microsoft-365', '550 5.4.310 DNS domain example.test does not exist', 'domain-not-exist', ''],
  ['microsoft-365', '550 5.4.316 Message expired, connection refused', 'unreachable', ''],
  ['microsoft-365', '550 4.4.7 QUEUE.Expired; message expired', 'expired', ''],
  ['microsoft-365', '550 5.2.2 Submission quota exceeded', 'rate-limited', ''],
  ['microsoft-365', '554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException', 'mailbox-full', 'recipient'],
  ['zoho', '541 5.4.1 Mail rejected by destination domain', 'recipient-refused', ''],
  ['outlook', '550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).', 'not-exist', ''],
  [
    'gmx',
    '450-Requested mail action not taken: mailbox unavailable 450 For explanation visit https://postmaster.gmx.net',
    'server-error',
    'busy',
  ],
  ['gmx', '550-Requested action not taken: mailbox unavailable 550 invalid DNS MX or A/AAAA resource record', 'domain-blocked', ''],
  ['sina', '450 mailbox unavailable.', 'server-error', 'busy'],
  ['sina', '550 mailbox unavailable.', 'not-exist', ''],
  ['tencent', '550 Mailbox unavailable or access denied. http://service.mail.qq.com/detail/122/166', 'recipient-refused', 'recipient'],
  ['tencent', '550 Domain may not exist or DNS check failed [MTIz IP: 192.0.2.1].', 'domain-blocked', ''],
  ['tencent', '550 Suspected spam ip. https://service.mail.qq.com/detail/122/66', 'ip-blocked', 'ip-reputation'],
  ['tencent', '550 Suspected spam. https://service.mail.qq.com/detail/122/71', 'spam', 'content'],
  ['netease', '451 DT:SPM ,please try again 163 smtp5', 'spam', 'content'],
  ['netease', '450 WM:BLI 163 smtp5', 'ip-blocked', 'ip-reputation'],
  ['netease', '450 WM:BLU 163 smtp5', 'recipient-refused', ''],
  ['yahoo', '554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes', 'auth-failure', ''],
  ['yahoo', '554 Message not allowed - [PH01] Email not accepted for policy reasons.', 'spam', 'content'],
  ['yahoo-jp', '554 Message not allowed - DM Email not accepted for policy reasons.', 'auth-failure', ''],
  [
    'yahoo',
    '421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.',
    'ip-blocked',
    'deferred-for-good',
  ],
  [
    'yahoo',
    '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints',
    'ip-blocked',
    'ip-reputation',
  ],
  ['cisco', '550 #5.1.0 Address rejected.', 'not-exist', ''],
  ['charter', '550 5.1.0 <bounce@example.com> sender rejected. AUP#In-1310', 'ip-blocked', 'ip-reputation'],
  ['cox', '550 5.1.0 <bounce@example.com> sender rejected. AUP#CXSNDR', 'auth-failure', ''],
  ['docomo', '552 Too much mail data nobody@docomo.ne.jp', 'mailbox-full', 'recipient'],
  ['docomo', '552 Too many recipients', 'rate-limited', 'ip-rate'],
  ['messagelabs', '542 nobody@example.com Rejected', 'not-exist', ''],
]

test.each(lookAlikes)('%s: %s is %s', (provider, text, reason, pause) => {
  const verdict = decide(provider, text)
  expect([verdict.reason, verdict.backoffClass ?? '']).toEqual([reason, pause])
})

/** A 5xx that asks for a retry, and a 4xx for which a retry is useless. */
const deferrals: readonly (readonly [string, string, boolean, Permanence])[] = [
  ['tencent', '550 Ip frequency limited. http://service.mail.qq.com/detail/122/172', true, 'temporary'],
  ['tencent', '550 Domain frequency limited. http://service.mail.qq.com/detail/122/173', true, 'temporary'],
  ['tencent', '550 Connection frequency limited. http://service.mail.qq.com/detail/122/175', true, 'temporary'],
  ['tencent', '550 域名发信超出额度限制', true, 'temporary'],
  ['tencent', '550 Domain may not exist or DNS check failed [MTIz IP: 192.0.2.1].', false, 'temporary'],
  ['tencent', '550 Mailbox not found. http://service.mail.qq.com/detail/122/169', false, 'permanent'],
  ['netease', '550 RP:TRC 163 smtp5', true, 'temporary'],
  ['netease', '554 DT:SPM 163 smtp5', false, 'permanent'],
  [
    'google',
    '550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered. - gsmtp',
    true,
    'temporary',
  ],
  ['google', '550 5.2.1 The email account that you tried to reach is disabled. - gsmtp', false, 'permanent'],
  ['yandex', '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using spamsource.mail.yandex.net', false, 'temporary'],
  ['google', '552 5.2.2 The email account that you tried to reach is over quota. - gsmtp', false, 'temporary'],
  ['laposte', '550 5.5.0 Service refuse. Veuillez essayer plus tard. service refused, please try later. LPN001_108', true, 'temporary'],
]

test.each(deferrals)('%s: %s defers: %s, %s', (provider, text, deferral, permanence) => {
  const verdict = decide(provider, text)
  expect([verdict.deferral, verdict.permanence]).toEqual([deferral, permanence])
})

/** Code 556 or words mean a null MX. 5.1.10 alone does not, because Microsoft uses it for unknown users. */
const nullMx: readonly (readonly [string, string, string])[] = [
  ['', '556 5.1.10 Recipient address has null MX', 'domain-not-exist'],
  ['', "550 5.1.10 The domain example.net doesn't receive email according to the administrator: returned Null MX", 'domain-not-exist'],
  ['microsoft-365', '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup', 'not-exist'],
  ['microsoft-365', '550 5.1.10 nobody@example.com could not be resolved', 'not-exist'],
]

test.each(nullMx)('null MX at "%s": %s is %s', (provider, text, reason) => expect(decide(provider, text).reason).toBe(reason))

/** The provider of a reply by each kind of hint. The more trusted kind wins. */
const identifications: readonly (readonly [readonly ProviderHint[], string, string | null])[] = [
  [[hint('remote-mta', 'gmail-smtp-in.l.google.com')], '550 5.1.1 user unknown', 'google'],
  [[hint('remote-mta', 'outlook-com.olc.protection.outlook.com')], '550 5.1.1 user unknown', 'outlook'],
  [[hint('remote-mta', 'contoso-com.mail.protection.outlook.com')], '550 5.1.1 user unknown', 'microsoft-365'],
  [[hint('remote-mta', 'example-com.mail.eo.outlook.com')], '550 5.1.1 user unknown', 'microsoft-365'],
  [[hint('remote-mta', 'contoso-com.a-v1.mx.microsoft')], '550 5.1.1 user unknown', 'microsoft-365'],
  [[hint('remote-mta', 'mx-aol.mail.gm0.yahoodns.net')], '550 5.1.1 user unknown', 'yahoo'],
  [[hint('remote-mta', 'mx2.mail.yahoo.co.jp')], '550 5.1.1 user unknown', 'yahoo-jp'],
  [[hint('remote-mta', 'mxbiz1.qq.com')], '550 5.1.1 user unknown', 'tencent'],
  [[hint('remote-mta', '163mx01.mxmail.netease.com')], '550 5.1.1 user unknown', 'netease'],
  [[hint('recipient-domain', 'btinternet.com')], '550 5.1.1 user unknown', 'bt'],
  [[hint('remote-mta', 'mx.example.net'), hint('recipient-domain', 'gmail.com')], '550 5.1.1 user unknown', 'google'],
  [[hint('remote-mta', 'mx1.qq.com'), hint('recipient-domain', 'gmail.com')], '550 5.1.1 user unknown', 'tencent'],
  [[], '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred', 'yahoo'],
  [[], '550 5.4.1 Recipient address rejected: Access denied. AS(201806281)', 'microsoft-365'],
  [[], '550 Mailbox not found. http://service.mail.qq.com/detail/122/169', 'tencent'],
  [[], '554 DT:SPM 163 smtp5', 'netease'],
  [[], '550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]', 'orange'],
  [[], '550 5.1.1 user unknown', null],
]

test.each(identifications)('%j %s is of %s', (hints, text, provider) =>
  expect(classify(table, classifierInputOfText(text, hints)).evidence.provider).toBe(provider),
)
