/**
 * attempt-reading.test - the delivery loop and the simulator read one SMTP outcome alike: the reason, the rule's class, and when to retry
 *
 * Each row goes through both call sites: a deliverer whose transport brings the outcome, and a simulation whose provider gives it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ALL_LANE_GROUPS } from '../../../src/queue/lane-group.ts'
import { loadRules } from '../../../src/config/rule-files.ts'
import { readAttempt } from '../../../src/ledger/decide/attempt-reading.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createReport } from '../../../src/simulator/report.ts'
import { type ProviderFile, readProviderFile } from '../../../src/simulator/provider-file.ts'
import { readScenario } from '../../../src/simulator/scenario.ts'
import { runSimulation } from '../../../src/simulator/simulate.ts'
import { createDeliverer } from '../../../src/service/deliver/deliverer.ts'
import type { SmtpOutcome } from '../../../src/smtp-client/transport.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { listQueuedMessagesForOperator } from '../../../src/store/queue/queued-mail.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import type { Context } from '../../../src/service/context.ts'
import { makeContext } from '../../support/context.ts'
import { createFunctionTransport, delivererOptions, queueMails, waitUntil, type Deliverer } from '../../support/delivery.ts'
import { engines } from '../../support/engines.ts'

const MINUTE = 60_000
const MX = 'mx.example.net'

const rules = loadRules()

const reply = (text: string): SmtpOutcome => ({ kind: 'reply', code: Number(text.slice(0, 3)), text, mx: MX, phase: 'rcpt' })

type Row = { readonly outcome: SmtpOutcome; readonly reason: string; readonly retryMinutes: readonly [number, number] }

const ROWS: readonly (readonly [string, Row])[] = [
  // outcome: what both read, and after how many minutes (from, to) both try again
  ['a stated delay', { outcome: reply('450 4.2.0 Greylisted, try again in 25 minutes'), reason: 'greylisted', retryMinutes: [25, 25] }],
  ['seconds', { outcome: reply('451 4.7.1 Temporarily deferred, retry after 1200 seconds'), reason: 'greylisted', retryMinutes: [20, 20] }],
  ['no delay', { outcome: reply('452 4.2.2 The email account is over quota'), reason: 'mailbox-full', retryMinutes: [0.9, 1.1] }],
  [
    'several lines',
    { outcome: reply('451 4.3.0 Busy\r\n451 4.3.0 come back in ten minutes'), reason: 'server-error', retryMinutes: [10, 10] },
  ],
  ['no text', { outcome: reply('451 '), reason: 'other', retryMinutes: [0.9, 1.1] }],
]

const ERROR_ROWS = [
  ['connect', 'connect ECONNREFUSED'],
  ['timeout', 'connect ETIMEDOUT'],
  ['dns', 'getaddrinfo EAI_AGAIN'],
  ['dropped', 'connection closed unexpectedly'],
] as const

type Reading = { readonly reason: string; readonly retryMs: number }

let engine: Engine
let context: Context
let deliverer: Deliverer | null = null
const outcomes = new Map<string, SmtpOutcome>()

beforeAll(async () => {
  const sqlite = engines.find(({ kind }) => kind === 'sqlite')
  if (sqlite === undefined) throw new Error('SQLite is always there')
  engine = (await sqlite.open()).engine
  const clock = {
    get now() {
      return Date.now()
    },
  }
  context = await makeContext(engine, clock)
  const transport = createFunctionTransport(({ domain }) => outcomes.get(domain) ?? reply('451 4.3.0 unknown row'))
  deliverer = createDeliverer(context, delivererOptions(transport))
  deliverer.start()
})
afterAll(() => deliverer?.close())

/** The delivery loop's reading: the verdict in the attempt's fact, and the time to its retry. */
async function readByDelivery(domain: string, outcome: SmtpOutcome): Promise<Reading> {
  outcomes.set(domain, outcome)
  const [id = ''] = await queueMails(context, [`ann@${domain}`])
  context.engine.nudges.send()
  const attempt = async () => (await findFactsBySubject(engine.read, [{ account: 1, subject: id }])).find(({ kind }) => kind === 'attempt')
  await waitUntil(async () => (await attempt()) !== undefined)
  const fact = await attempt()
  const row = (await listQueuedMessagesForOperator(engine.read, { groups: ALL_LANE_GROUPS, after: null, limit: 100 })).find(
    ({ deliveryId }) => deliveryId === id,
  )
  if (fact?.kind !== 'attempt' || row === undefined) throw new Error('the message is deferred')
  return { reason: fact.data.verdict?.reason ?? '', retryMs: row.dueAt - fact.at }
}

/** A provider that gives this outcome to every attempt. */
function providerOf(domain: string, outcome: SmtpOutcome): ProviderFile {
  const error = outcome.kind === 'error' ? outcome.error : null
  return readProviderFile('test.toml', {
    name: 'test',
    title: 'Test',
    mx: MX,
    domains: [domain],
    zone: 'UTC',
    source: ['https://example.net/'],
    ...(error === 'connect' || error === 'timeout' || error === 'dns' ? { unreachable: error } : {}),
    pace: { accept_ms: [1, 1], refuse_ms: [1, 1], drop: error === 'dropped' ? 1 : 0 },
    mailboxes: { unknown: 0, disabled: 0, full: 0, content: 0, busy: outcome.kind === 'reply' ? 1 : 0 },
    answer: { accepted: { text: '250 ok' }, busy: { text: outcome.kind === 'reply' ? outcome.text : '451 busy' } },
  })
}

/** The simulator's reading: the reason that the message ends with, and the time between its first two attempts. */
function readBySimulation(domain: string, outcome: SmtpOutcome): Reading {
  const campaign = [{ mails: 1, to: { test: 1 } }]
  const sender = { domain: 'news.example.com', ips: ['198.51.100.1'] }
  const data = { name: 'test', title: 'T', about: 'T', seed: 3, start: '2026-03-02T08:00:00Z', hours: 200, sender, campaign }
  const scenario = readScenario('test.toml', data, ['test'])
  const moments: number[] = []
  const files = new Map([['test', providerOf(domain, outcome)]])
  const result = runSimulation({
    scenario,
    files,
    rules,
    policy: BACKOFF_POLICIES.never,
    shaping: null,
    onMoment: (at) => moments.push(at),
  })
  const [provider] = createReport(scenario, 'never', result).providers
  const [reason = ''] = Object.keys({ ...provider?.softBy, ...provider?.invalidBy })
  // Submitted, answered, woken for the second attempt.
  const [, answeredAt = 0, retriedAt = 0] = moments
  return { reason, retryMs: retriedAt - answeredAt }
}

test.each(ROWS)('%s: both read it, and retry it, alike', async (name, { outcome, reason, retryMinutes: [low, high] }) => {
  const domain = `${name.replaceAll(' ', '-')}.example.net`
  const readings = [await readByDelivery(domain, outcome), readBySimulation(domain, outcome)]
  expect(readings.map((each) => each.reason)).toEqual([reason, reason])
  for (const { retryMs } of readings) {
    expect(retryMs).toBeGreaterThanOrEqual(low * MINUTE)
    expect(retryMs).toBeLessThanOrEqual(high * MINUTE)
  }
})

test.each(ERROR_ROWS)('no reply (%s): both read the same verdict', async (error, text) => {
  const domain = `${error}.example.net`
  const outcome: SmtpOutcome = { kind: 'error', error, text, mx: MX }
  const readings = [await readByDelivery(domain, outcome), readBySimulation(domain, outcome)]
  const verdict = readAttempt(rules, { attempt: 1, egressIp: '192.0.2.1', site: '', domain }, outcome).verdict
  expect(readings.map(({ reason }) => reason)).toEqual(['unreachable', 'unreachable'])
  expect(verdict).toMatchObject({ reason: 'unreachable', permanence: 'temporary', backoffClass: 'network' })
})
