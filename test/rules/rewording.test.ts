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

const NOUNS = ['user', 'recipient', 'mailbox', 'account', 'address', 'email address'] as const
const BOXES = ['user', 'recipient', 'mailbox', 'account', 'inbox'] as const

/** The words of each frame with each noun; `%` stands for the noun. */
const framed = (nouns: readonly string[], frames: readonly string[]): readonly string[] =>
  frames.flatMap((frame) => nouns.map((noun) => frame.replace('%', noun)))

/** Words that servers use for the same thing, and the reason that they state. */
const SYNONYMS: readonly (readonly [reason: Reason, words: readonly string[]])[] = [
  [
    'not-exist',
    framed(NOUNS, [
      '% does not exist',
      "% doesn't exist",
      '% not found',
      '% could not be found',
      '% unknown',
      'unknown %',
      'no such %',
      '% not known here',
      '% is not known here',
    ]),
  ],
  ['not-exist', ['does not exist', "doesn't exist", 'does not exist here', 'could not be found', 'is unknown', 'was not found']],
  ['not-exist', ['user unknown', 'invalid user', 'invalid recipient', 'invalid mailbox', 'invalid account']],
  [
    'mailbox-full',
    [
      ...framed(BOXES, [
        '% over quota',
        '% is over quota',
        '% quota exceeded',
        '% exceeded storage',
        '% has exceeded its storage limit',
        '% is out of storage',
      ]),
      ...framed(['mailbox', 'inbox', 'account'], ['% full', '% is full']),
    ],
  ],
  ['mailbox-full', ['over quota', 'quota exceeded', 'exceeded its quota', 'exceeded storage', 'out of storage']],
  ['mailbox-disabled', ['is disabled', 'has been disabled', 'is suspended', 'has been suspended', 'is inactive', 'is deactivated']],
  [
    'mailbox-disabled',
    [
      ...framed(['user', 'mailbox', 'account'], ['% disabled', '% suspended', '% inactive', 'inactive %']),
      'account deactivated',
      'recipient disabled',
      'disabled account',
      'disabled mailbox',
      'suspended account',
    ],
  ],
  [
    'rate-limited',
    [
      'too many messages',
      'too many mails',
      'too much mail',
      'rate limited',
      'rate limit exceeded',
      'message rate exceeded',
      'throttled',
      'sending too fast',
      'sending too quickly',
    ],
  ],
  ['rate-limited', ['too fast', 'too quickly', 'too often', 'too frequently']],
  [
    'rate-limited',
    [
      'too many connections',
      'too many concurrent connections',
      'too many simultaneous connections',
      'too many sessions',
      'connection limit exceeded',
    ],
  ],
  [
    'spam',
    framed(
      ['spam', 'junk', 'unsolicited', 'bulk'],
      ['rejected as %', 'refused as %', 'blocked as %', 'classified as %', 'identified as %', 'detected as %', 'marked as %'],
    ),
  ],
  ['spam', ['spam message', 'spam mail', 'junk mail', 'bulk mail', 'unsolicited mail', 'unsolicited message', 'unsolicited bulk email']],
  ['ip-blocked', ['is listed in', 'is listed at', 'is blacklisted in', 'is blocklisted in', 'is on a block list of', 'is denylisted by']],
  ['ip-blocked', ['blacklisted', 'blocklisted', 'black listed', 'block listed', 'denylisted', 'on a blacklist', 'on a block list']],
  ['too-large', framed(['message', 'mail', 'email'], ['% too large', '% is too large', '% too big', '% is too big'])],
  ['too-large', ['message too large', 'message size exceeds the limit', 'message size limit exceeded', 'message larger than the limit']],
  [
    'policy',
    framed(['relay', 'relaying'], ['% denied', '% access denied', '% not permitted', '% not allowed', '% prohibited', 'unable to relay']),
  ],
  [
    'virus',
    ['contains a virus', 'contains malware', 'contained a virus', 'is infected', 'virus detected', 'virus found', 'malware detected'],
  ],
  ['greylisted', ['greylisted', 'graylisted', 'grey-listed', 'greylisting in action', 'temporarily greylisted']],
  ['auth-failure', ['spf check failed', 'spf failed', 'spf fail', 'spf validation failed', 'fails spf', 'did not pass spf']],
  ['auth-failure', ['dmarc policy', 'dmarc check failed', 'dmarc failure', 'dmarc validation failed']],
  ['domain-not-exist', framed(['domain', 'host'], ['% not found', '% unknown', 'unknown %', 'no such %', '% could not be found'])],
  ['server-error', ['temporarily unavailable', 'temporarily not available', 'currently unavailable', 'currently not available']],
  ['unreachable', ['connection timed out', 'connection refused', 'no route to host', 'connection reset', 'unable to connect']],
]

/** Verbs of a refusal. They say nothing about its reason, so that the reason must not depend on them. */
const REFUSALS: readonly (readonly string[])[] = [
  ['was rejected', 'was refused', 'was denied', 'was declined', 'was not accepted'],
  ['has been rejected', 'has been refused', 'has been denied', 'is not accepted'],
  ['rejected', 'refused', 'denied', 'declined', 'not accepted'],
]

/** A text with an alternative does not state one cause. */
const ALTERNATIVE = /\bor\b/i

const containing = (text: string, word: string): number => text.toLowerCase().search(new RegExp(`(?<![a-z'-])${word}(?![a-z-])`))

/** The texts with one of the words in the place of another one that they contain. */
const exchanged = (text: string, words: readonly string[]): readonly string[] =>
  words.flatMap((word) => {
    const at = containing(text, word)
    return at < 0 ? [] : words.filter((other) => other !== word).map((other) => text.slice(0, at) + other + text.slice(at + word.length))
  })

const weakRules = new Set(table.rules.filter((rule) => rule.last === true || rule.section === 'standard').map(({ id }) => id))

/** A text whose verb is its only evidence, or part of a mark that one provider writes, has no other words that say the same. */
const restsOnVerb = ({ rule, evidence }: Verdict, verbs: readonly string[]): boolean =>
  weakRules.has(rule) || evidence.matched.some((phrase) => verbs.some((verb) => verb.split(' ').some((word) => phrase.includes(word))))

function rewordings(text: string, verdict: Verdict): readonly string[] {
  if (ALTERNATIVE.test(text)) return []
  return [
    ...SYNONYMS.filter(([of]) => of === verdict.reason).flatMap(([, words]) => exchanged(text, words)),
    ...REFUSALS.filter((verbs) => !restsOnVerb(verdict, verbs)).flatMap((verbs) => exchanged(text, verbs)),
  ]
}

/** Frames of a reply around words that state a cause. */
const FRAMES = ['550 %', '550 <ann@example.com>: %', '550 5.7.1 %', '554 Transaction failed: %', '550-% Please contact your provider']

/** Words without their subject, and words that mean little beside an enhanced code, state a cause in a sentence only. */
const isFragment = (word: string): boolean => /^(?:is|has|was|does|doesn't|could|on) /.test(word) || !word.includes(' ')
const WHOLE = SYNONYMS.filter(([reason, words]) => reason !== 'server-error' && !words.some(isFragment))

describe('words that state a cause do so in any reply', () => {
  test.each(WHOLE)('%s: %j', (reason, words) => {
    const texts = words.flatMap((word) => FRAMES.map((frame) => frame.replace('%', word)))
    const changed = texts.flatMap((text) => {
      const got = decide('common', text)
      return got.reason === reason ? [] : [`${text}: ${got.reason} by ${got.rule}`]
    })
    expect(changed).toEqual([])
  })
})

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
      return rewordings(text, want).flatMap((other) => {
        const got = decide(section, other)
        return got.subStatus % 10 === want.subStatus % 10 ? [] : [`${text} | ${other}: ${want.reason}, then ${got.reason} by ${got.rule}`]
      })
    })
    expect(changed).toEqual([])
  })
})
