/**
 * not-exist.test - no valid address is called unknown
 *
 * Generates replies from the phrases of every rule with the reason `not-exist`: each phrase beside the words of another cause, and each
 * phrase about an address that is not the recipient. A reply that a server writes about a living mailbox must never reach the bounce list.
 */
import { describe, expect, test } from 'vitest'
import { classifyForProvider } from '../../src/classify/classify.ts'
import { classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import type { Rule } from '../../src/classify/rule-table.ts'
import type { Verdict } from '../../src/classify/verdict.ts'
import { loadRules } from '../../src/config/rule-files.ts'

const table = loadRules()
const isGeneral = (rule: Rule): boolean => rule.section === 'common' || rule.section === 'standard'
const rules = table.rules.filter((rule) => rule.reason === 'not-exist' && rule.section !== 'standard')

function decide(rule: Rule, text: string): Verdict {
  const provider = isGeneral(rule) ? 'no-provider' : ({ provider: rule.section, source: 'delivery-mx' } as const)
  return classifyForProvider(table, classifierInputOfText(text), provider)
}

/** A phrase as a server would write it: its gaps hold an address. */
const writtenAs = (phrase: string): string => phrase.replaceAll('*', '<ann@example.com>')

/** Texts of a report have no code and belong to no reply. */
const isCode = (text: string): boolean => /^\d{3} /.test(text)

const causes = [
  'blocked',
  'reputation',
  'quota exceeded',
  'over quota',
  'mailbox is full',
  'message rejected by policy',
  'policy violation',
  'SPF check failed',
  'not authorized by SPF',
  'greylisted',
  'rate limit exceeded',
  'message rate too high',
  'message rejected as spam',
  'spam detected',
  'temporary failure',
  'temporarily deferred, try again later',
  'quota',
  'policy',
  'SPF',
  'greylist',
  'rate',
  'spam',
  'temporary',
]

/** Phrases that say in full words that there is no such recipient. Other words beside them do not make the address valid. */
const saysUnknown =
  /unknown|no such|not found|not exist|n't exist|doesn?'t|dosn't|nosuchuser|recip(?:ient)?notfound|isn't a local|no longer|no mailbox|invalid|incorrect|not a valid|not our customer|not available|unavailable: user|undeliverable|badprimary|不存在|无效|未找到|找不到|destinataire/i

const marks = rules.filter((rule) => !isGeneral(rule)).flatMap((rule) => (rule.says ?? []).map((phrase) => ({ rule, phrase })))

describe('a mark decides nothing beside the words of another cause', () => {
  test.each(marks.filter(({ phrase }) => !saysUnknown.test(phrase)))('$rule.id: $phrase', ({ rule, phrase }) => {
    const code = rule.codes === null ? '550' : String([...rule.codes].find(Number.isInteger) ?? '550')
    const variants = causes.flatMap((cause) =>
      ['', '5.1.1 ', '5.7.1 ', '5.2.1 '].flatMap((status) => [
        `${code} ${status}${writtenAs(phrase)}: ${cause}`,
        `${code} ${status}<ann@example.com>: ${cause} (${writtenAs(phrase)})`,
      ]),
    )
    expect(variants.filter((text) => decide(rule, text).reason === 'not-exist')).toEqual([])
  })
})

describe('the words of the hits of a rule, followed by another cause', () => {
  test.each(rules.filter((rule) => !isGeneral(rule)))('$id is not what decides', (rule) => {
    const hits = rule.hits.map((hit) => (typeof hit === 'string' ? hit : hit.text)).filter(isCode)
    const variants = hits.flatMap((hit) => causes.map((cause) => `${hit}: ${cause}`))
    expect(variants.filter((text) => decide(rule, text).rule === rule.id)).toEqual([])
  })
})

/** Subjects other than the recipient, and alternatives. `%` stands for the words of the rule. */
const others = [
  'Sender address <a@example.org>: %',
  'the sender <a@example.org>: %',
  'Callback to <a@example.org> failed: %',
  'Callout to <a@example.org> failed: %',
  'Verification failed for <a@example.org>: %',
  'Could not verify <a@example.org>: %',
  'verification of <a@example.org> failed: %',
  'Return-Path <a@example.org>: %',
  'return address <a@example.org>: %',
  'From address <a@example.org>: %',
  'MAIL FROM:<a@example.org>: %',
  'envelope from <a@example.org>: %',
  '% or spam',
  '% or blocked',
]

const unknowns = [
  'user unknown',
  'no such user',
  'unknown user',
  'mailbox not found',
  'user does not exist',
  'mailbox unavailable',
  'unknown recipient',
]
const sections = [...new Map(rules.map((rule) => [rule.section, rule])).values()]

describe('words of not-exist about another address, or as one of two causes', () => {
  test.each(sections)('at $section', (rule) => {
    const variants = others.flatMap((text) =>
      unknowns.flatMap((words) => ['550', '550 5.1.1', '550 5.7.1'].map((code) => `${code} ${text.replace('%', words)}`)),
    )
    expect(variants.filter((text) => decide(rule, text).reason === 'not-exist')).toEqual([])
  })

  const generalPhrases = rules.filter(isGeneral).flatMap((rule) => (rule.says ?? []).map((phrase) => ({ rule, phrase })))
  test.each(generalPhrases)('$rule.id: $phrase', ({ rule, phrase }) => {
    const variants = others.map((text) => `550 ${text.replace('%', writtenAs(phrase))}`)
    expect(variants.filter((text) => decide(rule, text).reason === 'not-exist')).toEqual([])
  })
})
