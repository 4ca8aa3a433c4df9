/** advice-machine.test - advice from outcomes that come late, in any order and again: a rule is one row, and the rest are properties */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ReadResult } from '../../../src/ledger/decide/attempt-reading.ts'
import { adviceOf } from '../../../src/queue/advice/advice.ts'
import {
  advanceMachine,
  applyOutcome,
  createAdviceMachine,
  MAX_OUTCOME_AGE_MS,
  recoverAdvice,
  restoreAdvice,
  snapshotAdvice,
  type AdviceMachine,
  type ReportedOutcome,
} from '../../../src/queue/advice/advice-machine.ts'
import type { BackoffClass } from '../../../src/classify/verdict.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'

const policy = BACKOFF_POLICIES.default
const START = Date.parse('2026-11-01T00:00:00Z')
const MINUTE_MS = 60_000
const KEY = 'ip|192.0.2.1|google'

const TO = {
  account: 1,
  domain: 'gmail.com',
  senderDomain: 'example.com',
  site: 'google',
  gateway: false,
  mxSet: 'gmail-smtp-in.l.google.com',
  egressIp: '192.0.2.1',
}

const refused = (pause: BackoffClass | null): ReadResult => ({
  kind: 'refused',
  code: 421,
  text: '421 4.7.28 unusual rate',
  reason: pause === 'ip-blocklist' ? 'ip-blocked' : 'rate-limited',
  pause,
  deferral: true,
  statedDelayMs: null,
  zone: null,
})

const outcome = (at: number, result: ReadResult, domain = 'gmail.com'): ReportedOutcome => ({
  mailId: 'm1',
  to: { ...TO, domain },
  result,
  at,
  rule: result.kind === 'refused' ? 'a-rule' : null,
})

/** Feeds outcomes as the adviser does, at their own time unless another is given. */
function feed(machine: AdviceMachine, outcomes: readonly ReportedOutcome[], now?: number): string[] {
  return outcomes.flatMap((each) => {
    const at = now ?? each.at
    return [...advanceMachine(machine, at), ...applyOutcome(machine, each, at)].map(({ kind, key }) => `${kind} ${key}`)
  })
}

const shown = (machine: AdviceMachine) => snapshotAdvice(machine).map((stored) => adviceOf(policy, stored))
const adviceFor = (machine: AdviceMachine, key = KEY) => shown(machine).find((each) => each?.key === key) ?? null

/** Lets time pass, minute by minute. */
function wait(machine: AdviceMachine, from: number, until: number): string[] {
  const seen: string[] = []
  for (let now = from; now <= until; now += MINUTE_MS) seen.push(...advanceMachine(machine, now).map(({ kind }) => kind))
  return seen
}

const blocked = (): { readonly machine: AdviceMachine; readonly at: number } => {
  const machine = createAdviceMachine(policy, 1)
  feed(machine, [outcome(START, refused('ip-blocklist'))])
  return { machine, at: START }
}

describe('one key', () => {
  test('a block stops an IP at its site, with the reply, the rule and the domains', () => {
    const { machine } = blocked()
    feed(machine, [outcome(START + 1_000, { kind: 'accepted' }, 'example.org')])
    expect(adviceFor(machine)).toMatchObject({
      action: 'stop',
      state: 'paused',
      scope: { egressIp: '192.0.2.1', site: 'google', domain: null },
      domains: ['gmail.com', 'example.org'],
      rule: 'a-rule',
      n: 1,
      since: START,
      evidence: [{ code: 421, text: '421 4.7.28 unusual rate' }],
    })
    expect(adviceFor(machine)?.until).toBeGreaterThan(START)
  })

  test('after the pause a few messages are let through; clean answers open the key step by step', () => {
    const { machine } = blocked()
    const until = adviceFor(machine)?.until ?? 0
    advanceMachine(machine, until)
    expect(adviceFor(machine)).toMatchObject({ action: 'slow', state: 'probing', perMinute: 5, connections: 1, until: null })
    const accepted = Array.from({ length: 5 }, (_, n) => outcome(until + 1_000 * (n + 1), { kind: 'accepted' }))
    expect(feed(machine, accepted)).toEqual([`queue.recovering ${KEY}`])
    expect(adviceFor(machine)).toMatchObject({ action: 'slow', state: 'recovering', perMinute: 15, connections: null })
    let at = until + 10_000
    for (let n = 0; n < 120; n++) feed(machine, [outcome((at += MINUTE_MS), { kind: 'accepted' })])
    expect(adviceFor(machine)).toMatchObject({ action: 'open', state: 'active', perMinute: null })
  })

  test('one refusal of a probe stops it again, for longer', () => {
    const { machine } = blocked()
    const until = adviceFor(machine)?.until ?? 0
    advanceMachine(machine, until)
    expect(feed(machine, [outcome(until + 1_000, refused('ip-blocklist'))])).toEqual([`queue.paused ${KEY}`])
    expect(adviceFor(machine)).toMatchObject({ action: 'stop', n: 2 })
  })

  test('without any more outcomes the key opens by itself', () => {
    const { machine } = blocked()
    const kinds = wait(machine, START, START + 48 * 60 * MINUTE_MS)
    expect(kinds).toContain('queue.probing')
    expect(adviceFor(machine)?.action ?? 'open').toBe('open')
  })

  test('a person opens it', () => {
    const { machine } = blocked()
    expect(recoverAdvice(machine, KEY, 'immediate', START + 1_000).map(({ kind, by }) => [kind, by])).toEqual([
      ['queue.recovered', 'operator'],
    ])
    expect(adviceFor(machine)).toMatchObject({ action: 'slow', state: 'active' })
    expect(recoverAdvice(machine, 'ip|198.51.100.1|qq', 'immediate', START)).toEqual([])
  })

  test('three failed connections in a row stop the hosts, two do not', () => {
    const machine = createAdviceMachine(policy, 1)
    const failure = (n: number): ReportedOutcome => outcome(START + n, { kind: 'unreachable', how: 'connect', text: 'timed out' })
    expect(feed(machine, [failure(1), failure(2)])).toEqual([])
    expect(feed(machine, [failure(3)])).toEqual([`queue.paused network|mx|${TO.mxSet}`])
  })

  test('a restart keeps the advice', () => {
    const { machine } = blocked()
    const copy = createAdviceMachine(policy, 1)
    restoreAdvice(copy, JSON.parse(JSON.stringify(snapshotAdvice(machine))), START + 1)
    expect(shown(copy)).toEqual(shown(machine))
    // What came before the transition still moves nothing.
    expect(feed(copy, [outcome(START - 1, refused('ip-blocklist'))], START + 2)).toEqual([])
  })
})

const PAUSES = ['ip-blocklist', 'ip-rate', 'domain-rate', 'connection-frequency', 'network', null] as const
const results = fc.oneof(
  fc.constant<ReadResult>({ kind: 'accepted' }),
  fc.constantFrom(...PAUSES).map(refused),
  fc.constantFrom('dns', 'connect', 'dropped').map((how): ReadResult => ({ kind: 'unreachable', how, text: 'x' })),
)
/** Outcomes with ages up to twice the limit, in any order, while time passes. */
const feeds = fc.array(
  fc.record({
    result: results,
    ageMs: fc.integer({ min: -MINUTE_MS, max: 2 * MAX_OUTCOME_AGE_MS }),
    passMs: fc.integer({ min: 0, max: 40 * MINUTE_MS }),
    domain: fc.constantFrom('gmail.com', 'example.org'),
  }),
  { maxLength: 60 },
)

const run = (steps: readonly { result: ReadResult; ageMs: number; passMs: number; domain: string }[]) => {
  const machine = createAdviceMachine(policy, 1)
  let now = START
  const fed: ReportedOutcome[] = []
  const events: string[] = []
  for (const { result, ageMs, passMs, domain } of steps) {
    now += passMs
    const each = outcome(now - ageMs, result, domain)
    fed.push(each)
    events.push(...feed(machine, [each], now))
  }
  return { machine, now, fed, events }
}

describe('outcomes in any order of their times', () => {
  test('leave a machine whose advice can be shown, stored and restored', () => {
    fc.assert(
      fc.property(feeds, (steps) => {
        const { machine, now } = run(steps)
        for (const advice of shown(machine)) {
          expect(advice).not.toBeNull()
          expect((advice?.action === 'stop') === (advice?.state === 'paused')).toBe(true)
        }
        const copy = createAdviceMachine(policy, 1)
        restoreAdvice(copy, JSON.parse(JSON.stringify(snapshotAdvice(machine))), now)
        expect(shown(copy)).toEqual(shown(machine))
      }),
    )
  })

  test('the same outcomes give the same run', () => {
    fc.assert(
      fc.property(feeds, (steps) => {
        expect(run(steps).events).toEqual(run(steps).events)
      }),
    )
  })

  test('outcomes that are read again from before the transition of a key move nothing that is in force', () => {
    fc.assert(
      fc.property(feeds, (steps) => {
        const { machine, now, fed } = run(steps)
        const stored = JSON.stringify(snapshotAdvice(machine))
        for (const before of shown(machine)) {
          if (before === null || before.action === 'open') continue
          const copy = createAdviceMachine(policy, 1)
          restoreAdvice(copy, JSON.parse(stored), now)
          for (const each of fed) if (Math.min(each.at, now) <= before.since) applyOutcome(copy, each, now)
          const after = shown(copy).find((each) => each?.key === before.key && each.class === before.class)
          expect([after?.state, after?.since, after?.until, after?.perMinute]).toEqual([
            before.state,
            before.since,
            before.until,
            before.perMinute,
          ])
        }
      }),
    )
  })

  test('old outcomes move nothing at all', () => {
    fc.assert(
      fc.property(feeds, fc.array(results, { maxLength: 30 }), (steps, old) => {
        const { machine, now } = run(steps)
        const before = JSON.stringify(snapshotAdvice(machine))
        for (const result of old) expect(applyOutcome(machine, outcome(now - MAX_OUTCOME_AGE_MS - 1, result), now)).toEqual([])
        expect(JSON.stringify(snapshotAdvice(machine))).toBe(before)
      }),
    )
  })

  test('with nothing but clean answers, or none, every key opens', () => {
    fc.assert(
      fc.property(feeds, fc.boolean(), (steps, isSending) => {
        const { machine, now } = run(steps)
        let at = now
        for (let n = 0; n < 2_000; n++) {
          at += 5 * MINUTE_MS
          advanceMachine(machine, at)
          const canSend = shown(machine).every((advice) => advice?.action !== 'stop')
          if (isSending && canSend) applyOutcome(machine, outcome(at, { kind: 'accepted' }, n % 2 === 0 ? 'gmail.com' : 'example.org'), at)
        }
        expect(shown(machine).filter((advice) => advice?.action !== 'open')).toEqual([])
      }),
      { numRuns: 20 },
    )
  })
})

test('the memory for one account has a bound, and the keys that are known go on', () => {
  const machine = createAdviceMachine(policy, 1)
  const acceptedBy = (n: number, site: string): ReportedOutcome => ({
    ...outcome(START, { kind: 'accepted' }),
    to: { ...TO, site, domain: `d${n}.example` },
  })
  for (let n = 0; n < 60_000; n++) applyOutcome(machine, acceptedBy(n, `site${n}`), START)
  expect(machine.queue.keyStates.size).toBeLessThan(50_010)
  const blockedSite: ReportedOutcome = {
    ...outcome(START + 1, refused('ip-blocklist')),
    to: { ...TO, site: 'site1', domain: 'd1.example' },
  }
  expect(applyOutcome(machine, blockedSite, START + 1).map(({ kind }) => kind)).toEqual(['queue.paused'])
})
