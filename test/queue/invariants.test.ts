/** invariants.test - what must always hold, on a virtual clock, over thousands of seeded runs */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { BACKOFF_STATES, type BackoffSignal, type BackoffState, nextBackoffState } from '../../src/queue/backoff/backoff-state.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { play, type Script } from './play.ts'

const scripts: fc.Arbitrary<Script> = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000_000 }),
  ips: fc.integer({ min: 1, max: 3 }),
  mails: fc.integer({ min: 0, max: 150 }),
  steps: fc.integer({ min: 1, max: 900 }),
  refusalShare: fc.constantFrom(0, 0.1, 0.5, 0.95),
  reload: fc.constant(0),
  operator: fc.boolean(),
})

test('no closed key is passed, one probe batch per pause, n never falls, old results change nothing, nothing is lost, all keys end active', () => {
  fc.assert(
    fc.property(scripts, (script) => {
      expect(play(script).faults).toEqual([])
    }),
    { numRuns: propertyRuns(200, 2_000) },
  )
}, 240_000)

test.each([BACKOFF_POLICIES.spec, BACKOFF_POLICIES.never, BACKOFF_POLICIES.fixed])(
  'the same under the policy $name',
  (policy) => {
    fc.assert(
      fc.property(scripts, (script) => {
        expect(play({ ...script, policy }).faults).toEqual([])
      }),
      { numRuns: propertyRuns(60, 300) },
    )
  },
  120_000,
)

test.each([1, 8, 40])(
  'the same with %d slots that are shared out',
  (slots) => {
    fc.assert(
      fc.property(scripts, (script) => {
        expect(play({ ...script, slots }).faults).toEqual([])
      }),
      { numRuns: propertyRuns(60, 500) },
    )
  },
  120_000,
)

test('the same seed and the same events give the same run, to the byte', () => {
  fc.assert(
    fc.property(scripts, (script) => {
      expect(play(script).log.join('\n')).toBe(play(script).log.join('\n'))
    }),
    { numRuns: propertyRuns(60, 300) },
  )
}, 120_000)

test('saving and loading at any point changes nothing', () => {
  fc.assert(
    fc.property(scripts, fc.integer({ min: 1, max: 9 }), (script, reload) => {
      const short = { ...script, steps: Math.min(script.steps, 300) }
      expect(play({ ...short, reload }).log.join('\n')).toBe(play(short).log.join('\n'))
    }),
    { numRuns: propertyRuns(25, 100) },
  )
}, 240_000)

/** Signals that come by time, results or an operator, and never make a backoff worse. */
const GOOD_SIGNALS = ['quiet', 'due', 'over', 'recover', 'probe', 'clean', 'empty'] as const satisfies readonly BackoffSignal[]

test.each(BACKOFF_STATES)('from %s a path leads to active', (from) => {
  const reached = new Set<BackoffState>([from])
  for (const state of reached) for (const signal of GOOD_SIGNALS) reached.add(nextBackoffState(state, signal))
  expect(reached).toContain('active')
})
