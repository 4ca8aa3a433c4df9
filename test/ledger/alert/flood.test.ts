/**
 * flood.test - when the number of reports is implausible
 */
import { expect, test } from 'vitest'
import { countReport, FLOOD_RULES, type FloodRule, type FloodGauge } from '../../../src/ledger/alert/flood.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const RULE: FloodRule = { windowMs: 900_000, reports: 10, times: 10 }

/** The number of alarms in each window, for these numbers of reports in consecutive windows. */
function floodsOf(counts: readonly number[], rule = RULE): readonly number[] {
  let gauge: FloodGauge | null = null
  return counts.map((count, window) => {
    let floods = 0
    for (let n = 0; n < count; n++) {
      const step = countReport(gauge, T0 + window * rule.windowMs + n, rule)
      gauge = step.gauge
      if (step.isFlood) floods++
    }
    return floods
  })
}

test.each([
  // reports in each window          alarms in each
  [[9], [0]],
  [[10], [1]],
  [[500], [1]],
  [
    [10, 10],
    [1, 0],
  ], // a flood that goes on raises one alarm
  [
    [9, 9, 9, 9, 11],
    [0, 0, 0, 0, 0],
  ],
  [
    [9, 9, 9, 9, 90],
    [0, 0, 0, 0, 1],
  ],
  [
    [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ],
] as const)('%j', (counts, want) => expect(floodsOf(counts)).toEqual(want))

test('reports count in the current window if the clock goes backwards', () => {
  const { gauge } = countReport(null, T0, RULE)
  expect(countReport(gauge, T0 - 3_600_000, RULE).gauge).toMatchObject({ windowStart: gauge.windowStart, count: 2 })
})

test('many reports about one token are a flood, whatever the windows before', () => {
  expect(floodsOf([60, 60, 60], FLOOD_RULES.token)).toEqual([1, 1, 1])
})
