/**
 * rewording.test - the published texts of each provider in other spellings and words are judged alike
 *
 * Servers of one provider, and relays that quote them, change case, spaces, punctuation and session ids, and write a name before the reply. Other
 * servers say the same with other words. The meaning (the last digit of the sub status) must stay, and nothing may become `not-exist`.
 */
import { describe, expect, test } from 'vitest'
import { classifyForProvider } from '../../src/classify/classify.ts'
import type { Reason } from '../../src/classify/reasons.ts'
import { classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import type { Rule } from '../../src/classify/rule-table.ts'
import type { Verdict } from '../../src/classify/verdict.ts'
import { loadRules } from '../../src/config/rule-files.ts'

const table = loadRules()
const providers = [...new Set(table.rules.map(({ section }) => section))].filter((section) => section !== 'standard')
const isCommon = (section: string): boolean => section === 'common'

function decide(section: string, text: string): Verdict {
  const provider = isCommon(section) ? 'no-provider' : ({ provider: section, source: 'delivery-mx' } as const)
  return classifyForProvider(table, classifierInputOfText(text), provider)
}

const textsOf = (section: string): readonly string[] =>
  table.rules
    .filter((rule: Rule) => rule.section === section)
    .flatMap((rule) => rule.hits.flatMap((hit) => (typeof hit === 'string' ? [hit] : [])))

/** Code and enhanced status at the front of a reply, and the words behind them. */
function splitReply(text: string): readonly [front: string, words: string] {
  const front = /^(?:smtp;\s*)?\d{3}[ -](?:#?\d\.\d{1,3}\.\d{1,3}[ -]?)?/i.exec(text)?.[0] ?? ''
  return [front, text.slice(front.length)]
}

/** Spellings: each keeps the words. */
const SPELLINGS: readonly (readonly [name: string, (text: string) => string])[] = [
  ['upper case', (text) => text.toUpperCase()],
  ['lower case', (text) => text.toLowerCase()],
  ['doubled spaces', (text) => text.replaceAll(' ', '  ')],
  ['curly apostrophes', (text) => text.replaceAll("'", '’')],
  ['a full stop at the end', (text) => `${text.replace(/[.!]+$/, '')}.`],
  ['an exclamation mark at the end', (text) => `${text.replace(/[.!]+$/, '')}!`],
  ['a session id at the end', (text) => `${text} [x7si12345.3]`],
  ['a queue id at the end', (text) => `${text} 4f8a2c-0001`],
  [
    'the name of the server before the words',
    (text) => {
      const [front, words] = splitReply(text)
      return front === '' ? text : `${front}mx1.example.net: ${words}`
    },
  ],
  ['a request to the sender behind the words', (text) => `${text.replace(/[.!]+$/, '')}. Please contact your administrator for help`],
]

describe('a provider’s text in another spelling means the same', () => {
  test.each(providers)('%s', (section) => {
    const changed = textsOf(section).flatMap((text) => {
      const want = decide(section, text)
      return SPELLINGS.flatMap(([name, respell]) => {
        const got = decide(section, respell(text))
        return got.subStatus === want.subStatus ? [] : [`${name}: ${text}: ${want.reason}, then ${got.reason} by ${got.rule}`]
      })
    })
    expect(changed).toEqual([])
  })
})

/** Words that servers use for the same thing, and the reason that they state. */
const SYNONYMS: readonly (readonly [reason: Reason, words: readonly string[]])[] = [
  ['not-exist', ['does not exist', "doesn't exist", 'does not exist here', 'could not be found']],
  [
    'not-exist',
    [
      'user unknown',
      'unknown user',
      'no such user',
      'user not found',
      'recipient unknown',
      'unknown recipient',
      'mailbox not found',
      'no such mailbox',
    ],
  ],
  [
    'not-exist',
    ['no such user', 'no such recipient', 'no such account', 'no such address', 'no such mailbox', 'unknown account', 'invalid recipient'],
  ],
  [
    'mailbox-full',
    [
      'mailbox full',
      'mailbox is full',
      'inbox full',
      'inbox is full',
      'mailbox over quota',
      'mailbox quota exceeded',
      'user over quota',
      'recipient over quota',
    ],
  ],
  ['mailbox-full', ['over quota', 'quota exceeded', 'exceeded its quota']],
  ['mailbox-disabled', ['is disabled', 'has been disabled', 'is suspended', 'has been suspended', 'is inactive', 'is deactivated']],
  ['rate-limited', ['too many connections', 'too many concurrent connections', 'too many simultaneous connections']],
  ['spam', ['rejected as spam', 'refused as spam', 'classified as spam', 'identified as spam', 'blocked as spam']],
  ['too-large', ['message too large', 'message is too large', 'message size exceeds the limit', 'message too big']],
  ['policy', ['relay access denied', 'relaying denied', 'relay not permitted', 'unable to relay']],
  ['virus', ['contains a virus', 'contains malware', 'is infected']],
]

/** A text with an alternative does not state one cause. */
const ALTERNATIVE = /\bor\b/i

const containing = (text: string, word: string): number => text.toLowerCase().search(new RegExp(`(?<![a-z'])${word}(?![a-z])`))

function rewordings(text: string, reason: Reason): readonly string[] {
  if (ALTERNATIVE.test(text)) return []
  return SYNONYMS.filter(([of]) => of === reason).flatMap(([, words]) =>
    words.flatMap((word) => {
      const at = containing(text, word)
      return at < 0 ? [] : words.filter((other) => other !== word).map((other) => text.slice(0, at) + other + text.slice(at + word.length))
    }),
  )
}

/** Refusals of the sender, in words that also say that a recipient is unknown. */
const SENDERS = ['the sender <a@example.org> %', 'Sender <a@example.org>: %', 'sender address <a@example.org> %']
const MISSING = [
  'does not exist',
  "doesn't exist",
  'could not be found',
  'cannot be found',
  'not found',
  'unknown',
  'no such user',
  'no such account',
]

test('no words about the sender make the recipient unknown', () => {
  const texts = SENDERS.flatMap((about) =>
    MISSING.flatMap((words) => ['550', '550 5.1.1', '550 5.1.0'].map((code) => `${code} ${about.replace('%', words)}`)),
  )
  expect(texts.filter((text) => decide('common', text).reason === 'not-exist')).toEqual([])
})

test('a host that does not exist is a domain, and no mailbox', () => {
  const hosts = ['shop.example.org does not exist', "mail.example.net doesn't exist", 'example.com not found']
  expect(hosts.map((text) => decide('common', `553 ${text}`).reason)).toEqual(hosts.map(() => 'domain-not-exist'))
})

describe('a provider’s text in other words means the same', () => {
  test.each(providers)('%s', (section) => {
    const changed = textsOf(section).flatMap((text) => {
      const want = decide(section, text)
      return rewordings(text, want.reason).flatMap((other) => {
        const got = decide(section, other)
        return got.subStatus % 10 === want.subStatus % 10 ? [] : [`${text} | ${other}: ${want.reason}, then ${got.reason} by ${got.rule}`]
      })
    })
    expect(changed).toEqual([])
  })
})
