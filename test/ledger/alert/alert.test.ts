/**
 * alert.test - when an alert is raised and cleared: by table, and for any series of measurements
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AlertRow, decideAlert } from '../../../src/ledger/alert/alert.ts'
import { type AlertState, alertSignalOf, stepAlert } from '../../../src/ledger/alert/alert-state.ts'
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

const STATES: readonly AlertState[] = ['clear', 'raised']
const SIGNALS = ['high', 'between', 'low', 'idle', 'gone'] as const
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

test('every state can be left for clear, and every signal leads to a known state', () => {
  for (const state of STATES) {
    expect(SIGNALS.map((signal) => stepAlert(state, signal))).toContain('clear')
    for (const signal of SIGNALS) expect(STATES).toContain(stepAlert(state, signal))
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

test('without a measurement an alert stays raised if its row says so', () => {
  expect(alertSignalOf(measured(null, 0, 'webhook-failing'), threshold)).toBe('idle')
  expect(alertSignalOf(measured(0.9, 900, 'webhook-failing'), null)).toBe('gone')
})

/** The facts and the last row of a series of measurements. */
function decideSeries(series: readonly { readonly value: number | null; readonly volume: number }[]): {
  readonly facts: FactOf<'alert'>[]
  readonly row: AlertRow | null
} {
  const facts: FactOf<'alert'>[] = []
  let row: AlertRow | null = null
  for (const [at, { value, volume }] of series.entries()) {
    const decided = decideAlert(row, { measurement: measured(value, volume), threshold, from: null }, { at, receivedAt: at, ids })
    row = decided.row
    if (decided.fact !== null) facts.push(decided.fact)
  }
  return { facts, row }
}

test('each crossing of a threshold is reported once', () => {
  const { facts } = decideSeries([0.01, 0.04, 0.06, 0.05, 0.04, 0.06, 0.031, 0.03, 0.04, 0.05].map((value) => ({ value, volume: 500 })))
  expect(facts.map(({ at, data }) => [at, data.state, data.change])).toEqual([
    [2, 'raised', 1],
    [7, 'cleared', 2],
    [9, 'raised', 3],
  ])
  expect(facts[0]?.data.text).toBe(
    'bounce-rate is raised: requested messages that bounced, without those that our own lists refused: 6 % (raised at 5 %; 500 messages).',
  )
  expect(new Set(facts.map(({ dedupKey }) => dedupKey)).size).toBe(3)
})

describe('any series of measurements', () => {
  const measurement = fc.record({
    value: fc.option(fc.double({ min: 0, max: 0.1, noNaN: true })),
    volume: fc.integer({ min: 0, max: 400 }),
  })
  test('alternates between raised and cleared, each only beyond its threshold', () => {
    fc.assert(
      fc.property(fc.array(measurement, { maxLength: 60 }), (series) => {
        const { facts, row } = decideSeries(series)
        facts.forEach(({ at, data }, n) => {
          expect(data.state).toBe(n % 2 === 0 ? 'raised' : 'cleared')
          expect(data.change).toBe(n + 1)
          const { value = null, volume = 0 } = series[at] ?? {}
          const isJustified = data.state === 'raised' ? value !== null && value >= 0.05 && volume >= 200 : value === null || value <= 0.03
          expect(isJustified).toBe(true)
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
] as const)('a change of a threshold: %j', (text, want) => expect(parseThresholdChange(text)).toEqual(want))

test('parsing is total, and changes are applied', () => {
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

test.each(ALERT_NAMES.map((name) => [name] as const))('%s clears below the value at which it is raised', (name) => {
  expect(ALERT_RULES[name].clear).toBeLessThan(ALERT_RULES[name].raise)
})

test('watch counts of facts', () => {
  const inbox = {
    ...FAILED,
    kind: 'inbox',
    data: { state: 'open', reason: ITEM.reason, mail: 'bounce', from: null, subject: null, summary: '', guess: null, actor: null },
  } as const
  const counts = watchCountsOf([FAILED, inbox, { ...inbox, data: { ...inbox.data, reason: 'postmaster' } }], 3, NOW)
  expect(counts.map(({ metric, n }) => [metric, n])).toEqual([
    ['mails', 3],
    ['rule', 1],
    ['verdicts', 1],
    ['unmatched', 1],
  ])
  expect(watchCountsOf([], 0, NOW)).toEqual([])
})
