/**
 * alert.test - when an alert is raised and when it is over: by table, and by any walk of figures
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ALERT_STATES,
  decideAlert,
  alertSignalOf,
  stepAlert,
  type AlertRow,
  type AlertSignal,
  type AlertState,
} from '../../../src/ledger/alert/alert.ts'
import {
  ALERT_NAMES,
  ALERT_RULES,
  applyThresholdChanges,
  DEFAULT_ALERT_THRESHOLDS,
  parseThresholdChange,
  type AlertName,
} from '../../../src/ledger/alert/alert-rules.ts'
import type { FactOf } from '../../../src/ledger/facts/fact.ts'
import { watchCountsOf } from '../../../src/ledger/project/watch-counts.ts'
import { FAILED, ITEM, NOW } from '../../http/sample-rows.ts'

const SIGNALS: readonly AlertSignal[] = ['high', 'between', 'low', 'idle', 'gone']
const ids = { next: (at: number) => `0192f000-0000-7000-8000-${String(at).padStart(12, '0')}` }
const threshold = { raise: 0.05, clear: 0.03, minimum: 200 }

test.each([
  ['clear', 'high', 'raised'],
  ['clear', 'between', 'clear'],
  ['clear', 'low', 'clear'],
  ['clear', 'gone', 'clear'],
  ['raised', 'high', 'raised'],
  ['raised', 'between', 'raised'],
  ['raised', 'low', 'clear'],
  ['raised', 'idle', 'raised'],
  ['raised', 'gone', 'clear'],
] as const)('%s, %s: %s', (state, signal, next) => expect(stepAlert(state, signal)).toBe(next))

test('every state leads home, and every state of the table is one', () => {
  for (const state of Object.keys(ALERT_STATES) as AlertState[]) {
    expect(SIGNALS.map((signal) => stepAlert(state, signal))).toContain('clear')
    for (const signal of SIGNALS) expect(Object.keys(ALERT_STATES)).toContain(stepAlert(state, signal))
  }
})

const measured = (value: number | null, volume = 1_000, alert: AlertName = 'bounce-rate') => ({
  account: 1,
  alert,
  about: '',
  value,
  volume,
})

test.each([
  [0.05, 200, 'high'],
  [0.05, 199, 'between'],
  [0.0499, 200, 'between'],
  [0.03, 200, 'low'],
  [0, 0, 'low'],
  [null, 0, 'gone'],
  [Number.NaN, 200, 'gone'],
] as const)('%s of %s is %s', (value, volume, signal) => expect(alertSignalOf(measured(value, volume), threshold)).toBe(signal))

test('nothing to measure lets the alert stand where the table says so', () => {
  expect(alertSignalOf(measured(null, 0, 'webhook-failing'), threshold)).toBe('idle')
  expect(alertSignalOf(measured(0.9, 900, 'webhook-failing'), null)).toBe('gone')
})

/** What a walk of figures tells, in order. */
function walk(figures: readonly { readonly value: number | null; readonly volume: number }[]): {
  readonly facts: FactOf<'alert'>[]
  readonly row: AlertRow | null
} {
  const facts: FactOf<'alert'>[] = []
  let row: AlertRow | null = null
  for (const [at, { value, volume }] of figures.entries()) {
    const decided = decideAlert(row, { measurement: measured(value, volume), threshold, from: null }, { at, receivedAt: at, ids })
    row = decided.row
    if (decided.fact !== null) facts.push(decided.fact)
  }
  return { facts, row }
}

test('a walk over the thresholds is told once each way', () => {
  const { facts } = walk([0.01, 0.04, 0.06, 0.05, 0.04, 0.06, 0.031, 0.03, 0.04, 0.05].map((value) => ({ value, volume: 500 })))
  expect(facts.map(({ at, data }) => [at, data.state, data.change])).toEqual([
    [2, 'raised', 1],
    [7, 'cleared', 2],
    [9, 'raised', 3],
  ])
  expect(facts[0]?.data.text).toBe(
    'bounce-rate is raised: requested mails that bounced, those left out that our own lists answered: 6 % (raised at 5 %; 500 mails).',
  )
  expect(new Set(facts.map(({ dedupKey }) => dedupKey)).size).toBe(3)
})

describe('any walk', () => {
  const figure = fc.record({ value: fc.option(fc.double({ min: 0, max: 0.1, noNaN: true })), volume: fc.integer({ min: 0, max: 400 }) })
  test('is raised and over in turns, never without a figure beyond its threshold, never twice', () => {
    fc.assert(
      fc.property(fc.array(figure, { maxLength: 60 }), (figures) => {
        const { facts, row } = walk(figures)
        facts.forEach(({ at, data }, n) => {
          expect(data.state).toBe(n % 2 === 0 ? 'raised' : 'cleared')
          expect(data.change).toBe(n + 1)
          const { value = null, volume = 0 } = figures[at] ?? {}
          const isFounded = data.state === 'raised' ? value !== null && value >= 0.05 && volume >= 200 : value === null || value <= 0.03
          expect(isFounded).toBe(true)
        })
        expect(row?.state ?? 'clear').toBe(facts.length % 2 === 0 ? 'clear' : 'raised')
        expect(row?.change ?? 0).toBe(facts.length)
      }),
    )
  })
})

test.each([
  ['bounce-rate=0.08/0.04/500', { name: 'bounce-rate', threshold: { raise: 0.08, clear: 0.04, minimum: 500 } }],
  [' lane-paused=10/0 ', { name: 'lane-paused', threshold: { raise: 10, clear: 0, minimum: 1 } }],
  ['complaint-rate=off', { name: 'complaint-rate', threshold: null }],
  ['bounce-rate=0.04/0.08/500', null],
  ['bounce-rate=0.04/0.04', null],
  ['bounce-rate=-1/0', null],
  ['bounce-rate=1e3/0', null],
  ['bounce-rate', null],
  ['bounce=1/0', null],
  ['constructor=off', null],
  ['', null],
] as const)('a threshold: %j', (text, want) => expect(parseThresholdChange(text)).toEqual(want))

test('any text is a threshold or none, and a change of it is read back', () => {
  const text = fc.oneof(
    fc.string(),
    fc.tuple(fc.constantFrom(...ALERT_NAMES), fc.string()).map(([name, rest]) => `${name}=${rest}`),
  )
  fc.assert(
    fc.property(text, (each) => {
      const { threshold = null } = parseThresholdChange(each) ?? {}
      expect(threshold === null || threshold.clear < threshold.raise).toBe(true)
    }),
  )
  const changed = applyThresholdChanges(DEFAULT_ALERT_THRESHOLDS, ['bounce-rate=0.5/0.1', 'other-share=off', 'nonsense'])
  expect(changed).toMatchObject({ 'bounce-rate': { raise: 0.5, clear: 0.1, minimum: 200 } })
  expect(changed['other-share']).toBeUndefined()
  expect(applyThresholdChanges(changed, ['other-share=0.3/0.2'])['other-share']).toEqual({ raise: 0.3, clear: 0.2, minimum: 100 })
})

test.each(ALERT_NAMES.map((name) => [name] as const))('%s is over below where it is raised', (name) => {
  expect(ALERT_RULES[name].clear).toBeLessThan(ALERT_RULES[name].raise)
})

test('what facts count for', () => {
  const inbox = {
    ...FAILED,
    kind: 'inbox',
    data: { state: 'open', reason: ITEM.reason, mail: 'bounce', from: null, subject: null, summary: '', guess: null, actor: null },
  } as const
  const counts = watchCountsOf([FAILED, inbox, { ...inbox, data: { ...inbox.data, reason: 'postmaster' } }], 3, NOW)
  expect(counts.map(({ metric, n }) => [metric, n])).toEqual([
    ['mails', 3],
    ['verdicts', 1],
    ['unmatched', 1],
  ])
  expect(watchCountsOf([], 0, NOW)).toEqual([])
})
