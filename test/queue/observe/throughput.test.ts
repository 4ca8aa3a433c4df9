/** throughput.test - the merged steps of a lane against counts of all events */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  averagePerSecond,
  emptyThroughput,
  lastStepStart,
  recordThroughput,
  throughputSince,
} from '../../../src/queue/observe/throughput.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { T0 } from '../play.ts'

const WIDTHS = { fives: 5_000, minutes: 60_000 } as const
const SPANS = { fives: 3_600_000, minutes: 86_400_000 } as const
const KINDS = ['in', 'try', 'out'] as const

const events = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 8_000_000 })),
    kind: fc.constantFrom(...KINDS),
  }),
  { minLength: 1, maxLength: 200 },
)

test('series and averages are those of all events, however long ago they were', () => {
  fc.assert(
    fc.property(events, fc.integer({ min: 0, max: 100_000 }), (script, restMs) => {
      let throughput = emptyThroughput()
      let now = T0
      const all = script.map(({ afterMs, kind }) => {
        now += afterMs
        throughput = recordThroughput(throughput, kind, now)
        return { at: now, kind }
      })
      const last = now
      now += restMs
      const countsOf = (which: 'fives' | 'minutes', from: number): readonly unknown[] => {
        const steps = new Map<number, number[]>()
        for (const { at, kind } of all) {
          const start = at - (at % WIDTHS[which])
          const step = steps.get(start) ?? [start, 0, 0, 0]
          const index = 1 + KINDS.indexOf(kind)
          step[index] = (step[index] ?? 0) + 1
          steps.set(start, step)
        }
        return [...steps.values()].filter(([start = 0]) => start >= from)
      }
      for (const which of ['fives', 'minutes'] as const) {
        expect(throughputSince(throughput, which, now - SPANS[which] + 1)).toEqual(countsOf(which, now - SPANS[which] + 1))
        expect(throughputSince(throughput, which, last - 600_000)).toEqual(countsOf(which, last - 600_000))
        expect(lastStepStart(throughput, which)).toBe(last - (last % WIDTHS[which]))
      }
      const end = now - (now % 1_000)
      const inTime = all.filter(({ at, kind }) => kind === 'try' && at >= end - 30_000 && at < end)
      expect(averagePerSecond(throughput, 'try', { seconds: 30, now })).toBe(inTime.length / 30)
    }),
    { numRuns: propertyRuns(100, 1_000) },
  )
})
