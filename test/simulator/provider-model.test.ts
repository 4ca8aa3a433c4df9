/** provider-model.test - the rules classify every reply of the simulated providers as their files say, and limits and holds work */
import { expect, test } from 'vitest'
import type { Verdict } from '../../src/classify/verdict.ts'
import { siteOf } from '../../src/classify/provider.ts'
import { readProviders } from '../../src/config/provider-files.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { readAttempt } from '../../src/ledger/decide/attempt-reading.ts'
import { simulatedReply } from '../../src/simulator/cached-reader.ts'
import {
  createSimulatedProvider,
  type SimulatedAttempt,
  respondToAttempt,
  type ProviderConditions,
  type ProviderResponse,
} from '../../src/simulator/provider-model.ts'
import { allowanceOf } from '../../src/simulator/limit-allowance.ts'
import { replyTextOf } from '../../src/simulator/reply-text.ts'
import { type ProviderFile, readProviderFile } from '../../src/simulator/provider-file.ts'

const files = readProviders()
const rules = loadRules()

/** The verdict of the rules on a reply of this provider. */
function verdictOf(file: ProviderFile, text: string): Verdict {
  const subject = { attempt: 1, egressIp: '198.51.100.1', site: '', domain: file.domains[0] ?? '' }
  const { verdict } = readAttempt(rules, subject, simulatedReply(text, file.mx))
  if (verdict === null) throw new Error(`${text} is no refusal`)
  return verdict
}

const ATTEMPT: SimulatedAttempt = {
  recipientNumber: 1,
  messageNumber: 1,
  attempt: 1,
  at: Date.UTC(2026, 2, 2, 9),
  firstAt: Date.UTC(2026, 2, 2, 9),
  ip: '198.51.100.1',
  senderDomain: 'news.example.com',
  recipient: 'person1@example.net',
  domain: 'example.net',
  id: 'c5qaaaabaaaab',
  connections: 1,
  session: { isNew: true, mails: 0, isEncrypted: true },
  mailboxes: { unknown: 0, disabled: 0, full: 0, content: 0, busy: 0 },
}

const CLEAR = { outages: [], listings: [], priorDeliveries: new Map<string, number>() }

const answers = [...files.values()]
  .flatMap((file) => Object.entries(file.answer).map(([name, row]) => ({ file, name, row })))
  .filter(({ name }) => name !== 'accepted')

test.each(answers)('$file.name: the rules read "$name" as the file says', ({ file, name, row }) => {
  const text = replyTextOf(file, { ...ATTEMPT, domain: file.domains[0] ?? '' }, name)
  const verdict = verdictOf(file, text)
  expect(text).not.toMatch(/[{}]/)
  expect({ reason: verdict.reason, pause: verdict.backoffClass }).toEqual({ reason: row.reason, pause: row.pause ?? null })
})

test.each([...files.values()])('$name: a 250 is one', (file) => expect(file.answer['accepted']?.text).toMatch(/^250 /))

test.each([...files.values()])('$name: refusals that pass are deferrals', (file) => {
  const passing = [
    ...file.limit.map((each) => each.answer),
    file.reputation?.answer,
    file.greylist?.answer,
    file.connections?.answer,
    file.connections?.mails_answer,
    'busy',
  ]
  for (const name of passing.filter((each) => each !== undefined && Object.hasOwn(file.answer, each))) {
    const verdict = verdictOf(file, file.answer[name ?? '']?.text ?? '')
    expect([name, verdict.deferral || verdict.reason === 'ip-blocked']).toEqual([name, true])
  }
})

test.each([
  ['gmail', 'google'],
  ['outlook', 'outlook'],
  ['yahoo', 'yahoo'],
  ['qq', 'tencent'],
  ['netease', 'netease'],
])('%s is the site %s', (name, site) => {
  const file = files.get(name)
  expect(siteOf(rules, { mx: file?.mx ?? null, domain: file?.domains[0] ?? null }).site).toBe(site)
})

function fileOf(over: Record<string, unknown>): ProviderFile {
  return readProviderFile('test.toml', {
    name: 'test',
    title: 'Test',
    mx: 'mx.example.net',
    domains: ['example.net'],
    zone: 'Asia/Shanghai',
    source: ['https://example.net/'],
    pace: { accept_ms: [100, 200], refuse_ms: [10, 20], drop: 0 },
    mailboxes: ATTEMPT.mailboxes,
    answer: { accepted: { text: '250 ok' }, slow: { text: '451 slow down' } },
    ...over,
  })
}

const LIMIT = {
  id: 'hour',
  key: 'ip',
  window: 'hour',
  count: 10,
  answer: 'slow',
  holds_minutes: 30,
  extends_seconds: 60,
  holds_at_most_minutes: 40,
}
const MINUTE = 60_000

/** The responses to one attempt at each of the minutes. */
function attemptsAt(file: ProviderFile, minutes: readonly number[], over: Partial<SimulatedAttempt> = {}): ProviderResponse[] {
  const provider = createSimulatedProvider(file, 1, CLEAR)
  return minutes.map((minute, n) => respondToAttempt(provider, { ...ATTEMPT, messageNumber: n, at: ATTEMPT.at + minute * MINUTE, ...over }))
}

const outcome = (response: ProviderResponse): string =>
  response.text?.startsWith('250') === true ? 'taken' : (response.refusal ?? 'refused')

test('a limit accepts its count, refuses for its time, and then starts anew', () => {
  const many = Array.from({ length: 12 }, () => 0)
  expect(attemptsAt(fileOf({ limit: [LIMIT] }), [...many, 61]).map(outcome)).toEqual([
    ...Array.from({ length: 10 }, () => 'taken'),
    'refused',
    'ip',
    'taken',
  ])
})

test('attempts during a refusal extend it, up to a bound', () => {
  const file = fileOf({ limit: [{ ...LIMIT, count: 1 }] })
  // Without an attempt in between, the refusal would end at 31. With them it ends at 34, and at 41 at the latest. Then the count starts anew.
  expect(attemptsAt(file, [0, 1, 30, 31.5, 32.5, 41.5, 62]).map(outcome)).toEqual([
    'taken',
    'refused',
    'ip',
    'ip',
    'ip',
    'taken',
    'refused',
  ])
})

const SECONDS = 1 / 60
const windows: readonly (readonly [string, readonly number[], string])[] = [
  // window   minutes of the attempts, at most two in the window            t taken, r refused
  ['second', [0, 0.1 * SECONDS, 0.2 * SECONDS, 2 * SECONDS], 'ttrt'],
  ['minute', [0, 0.2, 0.4, 2], 'ttrt'],
  ['minute', [0, 0.5, 1.1, 1.7], 'tttt'],
  // Without a hold, the window stays full until its oldest message is out of it.
  ['minute', [0, 0.2, 0.4, 0.6, 1.1, 1.3, 1.35], 'ttrrttr'],
]

test.each(windows)('a limit of a %s counts the last %s only', (window, minutes, want) => {
  const file = fileOf({ limit: [{ id: 'x', key: 'ip', window, count: 2, answer: 'slow' }] })
  const got = attemptsAt(file, minutes).map((response) => (outcome(response) === 'taken' ? 't' : 'r'))
  expect(got.join('')).toBe(want)
})

test.each([
  ['ip', 'tttt'],
  ['subnet', 'trtt'],
  ['all-ips', 'trrr'],
] as const)('a limit by %s', (key, want) => {
  const file = fileOf({ limit: [{ ...LIMIT, key, count: 1 }] })
  const provider = createSimulatedProvider(file, 1, CLEAR)
  const ips = ['198.51.100.1', '198.51.100.2', '203.0.113.1', '2001:db8::1']
  const got = ips.map((ip, n) => respondToAttempt(provider, { ...ATTEMPT, ip, messageNumber: n }))
  expect(got.map((response) => (outcome(response) === 'taken' ? 't' : 'r')).join('')).toBe(want)
})

test('a fixed window begins with its first message and ends as a whole', () => {
  const file = fileOf({ limit: [{ id: 'x', key: 'ip', window: 'minute', fixed: true, count: 2, answer: 'slow' }] })
  // The window from 0.5 to 1.5; in a sliding one, the attempt at 1.4 would still be refused by those at 0.9.
  expect(attemptsAt(file, [0.5, 0.9, 1.1, 1.4, 1.6, 1.61, 1.62]).map(outcome)).toEqual([
    'taken',
    'taken',
    'refused',
    'ip',
    'taken',
    'taken',
    'refused',
  ])
})

const answer = {
  accepted: { text: '250 ok' },
  slow: { text: '451 slow down' },
  many: { text: '421 too many connections' },
  session: { text: '451 no more on this connection', phase: 'mail' },
  tls: { text: '530 5.7.0 Must issue a STARTTLS command first', phase: 'mail' },
  listed: { text: '554 blocked', phase: 'greeting' },
}

/** The responses of a new provider to attempts over these sessions, all at one moment. */
function sessionsAt(
  file: ProviderFile,
  sessions: readonly Partial<SimulatedAttempt['session'] & { readonly connections: number }>[],
  conditions: ProviderConditions = CLEAR,
): ProviderResponse[] {
  const provider = createSimulatedProvider(file, 1, conditions)
  return sessions.map(({ connections = 1, ...session }, n) =>
    respondToAttempt(provider, { ...ATTEMPT, messageNumber: n, connections, session: { ...ATTEMPT.session, ...session } }),
  )
}

const OPENED = { isNew: true, mails: 0 }
const REUSED = { isNew: false, mails: 1 }
const seenOf = ({ refusal, phase, closes, ...response }: ProviderResponse): string =>
  `${outcome({ refusal, phase, closes, ...response })} ${phase ?? '-'} ${closes ? 'closed' : 'open'}`

test('the number of connections is checked when one is opened', () => {
  const file = fileOf({ answer, connections: { count: 2, answer: 'many' } })
  const sessions = [2, 3].flatMap((connections) => [OPENED, REUSED].map((each) => ({ ...each, connections })))
  expect(sessionsAt(file, sessions).map(seenOf)).toEqual([
    'taken end open',
    'taken end open',
    'connections greeting closed',
    'taken end open',
  ])
})

test('a limit of new connections counts those, and no messages', () => {
  const limit = [{ id: 'x', key: 'ip', counts: 'connections', window: 'minute', fixed: true, count: 2, answer: 'many' }]
  const file = fileOf({ answer, limit })
  expect(sessionsAt(file, [OPENED, REUSED, REUSED, OPENED, REUSED, OPENED, OPENED, REUSED]).map(seenOf)).toEqual([
    ...Array.from({ length: 5 }, () => 'taken end open'),
    'refused greeting closed',
    'connections greeting closed',
    'taken end open',
  ])
})

test('messages of one connection: a reply to the next MAIL, or the end of the connection without one', () => {
  const sessions = [0, 1, 2].map((mails) => ({ isNew: mails === 0, mails }))
  const refusing = fileOf({ answer, connections: { count: 9, answer: 'many', mails: 2, mails_answer: 'session' } })
  expect(sessionsAt(refusing, sessions).map(seenOf)).toEqual(['taken end open', 'taken end open', 'session mail open'])
  const closing = fileOf({ answer, connections: { count: 9, answer: 'many', mails: 2 } })
  expect(sessionsAt(closing, sessions.slice(0, 2)).map(seenOf)).toEqual(['taken end open', 'taken end closed'])
})

test('a provider that demands TLS refuses MAIL without it', () => {
  const sessions = [true, false].map((isEncrypted) => ({ ...OPENED, isEncrypted }))
  expect(sessionsAt(fileOf({ answer, tls: { answer: 'tls' } }), sessions).map(seenOf)).toEqual(['taken end open', 'tls mail open'])
  expect(sessionsAt(fileOf({ answer, tls: { offered: false } }), sessions).map(outcome)).toEqual(['taken', 'taken'])
})

test.each([
  // phase of the refusal    to a new connection          to one that is open
  ['greeting', 'listed greeting closed', 'taken end open'],
  ['ehlo', 'listed ehlo closed', 'taken end open'],
  ['mail', 'listed mail open', 'listed mail open'],
  ['rcpt', 'listed rcpt open', 'listed rcpt open'],
  ['data', 'listed data open', 'listed data open'],
  ['end', 'listed end open', 'listed end open'],
] as const)('a listed address is refused in the phase %s', (phase, opened, reused) => {
  const file = fileOf({ answer: { ...answer, listed: { text: '554 blocked', phase } } })
  const listings = [{ ip: ATTEMPT.ip, from: ATTEMPT.at, to: ATTEMPT.at + MINUTE }]
  expect(sessionsAt(file, [OPENED, REUSED], { ...CLEAR, listings }).map(seenOf)).toEqual([opened, reused])
})

test('a limit that refuses in the greeting counts messages, and open connections do not meet it', () => {
  const file = fileOf({ answer, limit: [{ ...LIMIT, count: 2, answer: 'listed' }] })
  expect(sessionsAt(file, [OPENED, REUSED, REUSED, OPENED, REUSED]).map(seenOf)).toEqual([
    'taken end open',
    'taken end open',
    'taken end open',
    'refused greeting closed',
    'taken end open',
  ])
})

test("a daily quota ends at midnight in the provider's time zone", () => {
  const file = fileOf({ limit: [{ id: 'day', key: 'sender-domain', window: 'day', count: 2, answer: 'slow' }] })
  // 17:00 in Shanghai: seven hours to midnight.
  expect(attemptsAt(file, [0, 1, 2, 3, 419, 420]).map(outcome)).toEqual(['taken', 'taken', 'refused', 'quota', 'quota', 'taken'])
})

test('the allowance grows with every accepted message', () => {
  const [limit] = fileOf({ limit: [{ ...LIMIT, count: 1_000, cold: 0.01, warm_after: 500 }] }).limit
  expect(limit === undefined ? [] : [0, 250, 500, 9_000].map((taken) => allowanceOf(limit, taken))).toEqual([10, 505, 1_000, 1_000])
})

test('an egress IP that sends to unknown users loses its reputation', () => {
  const answer = { accepted: { text: '250 ok' }, unknown: { text: '550 5.1.1 unknown' }, bad: { text: '421 bad' } }
  const reputation = { unknown: 0.1, complaints: 0.01, floor: 20, answer: 'bad', holds_minutes: 60 }
  const file = fileOf({ answer, reputation, mailboxes: { ...ATTEMPT.mailboxes, unknown: 1 } })
  const response = attemptsAt(
    file,
    Array.from({ length: 22 }, () => 0),
    { mailboxes: file.mailboxes },
  )
  expect(response.map((each) => each.text)).toEqual([
    ...Array.from({ length: 19 }, () => '550 5.1.1 unknown'),
    '421 bad',
    '421 bad',
    '421 bad',
  ])
  expect(response.at(-1)?.refusal).toBe('ip')
})

test('a greylist accepts the second attempt after its time', () => {
  const file = fileOf({ greylist: { minutes: 5, hours: 24, answer: 'slow' } })
  const provider = createSimulatedProvider(file, 1, CLEAR)
  const at = (n: number, minute: number): string =>
    outcome(respondToAttempt(provider, { ...ATTEMPT, attempt: n, at: ATTEMPT.at + minute * MINUTE }))
  expect([at(1, 0), at(2, 2), at(3, 6)]).toEqual(['refused', 'refused', 'taken'])
})

const bad = [
  [{ name: 'No Name' }, 'bad.toml: name: is not lower-case kebab-case'],
  [{ zone: 'Mars/Olympus' }, 'bad.toml: zone: "Mars/Olympus" is not a time zone'],
  [{ sped: 1 }, 'bad.toml: Unrecognized key: "sped"'],
  [{ limit: [{ ...LIMIT, answer: 'gone' }] }, 'bad.toml: there is no [answer.gone]'],
  [{ limit: [{ ...LIMIT, key: 'sender-domain', counts: 'connections' }] }, 'bad.toml: limit.0: a new connection has no sender domain yet'],
  [{ connections: { count: 1, answer: 'slow', mails_answer: 'slow' } }, 'bad.toml: connections: has "mails_answer" without "mails"'],
  [{ connections: { count: 1, answer: 'slow', mails: 1, mails_answer: 'gone' } }, 'bad.toml: there is no [answer.gone]'],
  [{ tls: { offered: false, answer: 'slow' } }, 'bad.toml: tls: demands TLS and does not offer it'],
  [
    { tls: { answer: 'early' }, answer: { ...answer, early: { text: '530 TLS', phase: 'greeting' } } },
    'bad.toml: answer.early.phase: its cause is known at MAIL, not before',
  ],
  [
    { connections: { count: 1, answer: 'many', mails: 1, mails_answer: 'many' }, answer },
    'bad.toml: answer.many.phase: its cause is known at MAIL, not before',
  ],
  [
    { limit: [{ ...LIMIT, key: 'sender-domain', answer: 'listed' }], answer },
    'bad.toml: answer.listed.phase: its cause is known at MAIL, not before',
  ],
  [{ tls: { answer: 'gone' } }, 'bad.toml: there is no [answer.gone]'],
  [{ answer: { accepted: { text: '250 ok', phase: 'quit' } } }, 'bad.toml: answer.accepted.phase: '],
  [{ answer: { accepted: { text: 'hello' } } }, 'bad.toml: answer.accepted.text: does not begin with a reply code'],
  [
    { pace: { accept_ms: [9, 1], refuse_ms: [1, 2], drop: 0 } },
    'bad.toml: pace.accept_ms: has the larger number first: put the smaller one first',
  ],
] as const

test.each(bad)('the error names what is wrong in a provider file with %j', (over, message) => {
  const whole = JSON.parse(JSON.stringify({ ...fileOf({}), ...over }))
  expect(() => readProviderFile('bad.toml', whole)).toThrow(message)
})
