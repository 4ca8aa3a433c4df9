/** steady-clock.test - jumps of the wall clock: what the clock of the process makes of them, second by second */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createElapsedClock, createSteadyClock, type ClockJump } from '../src/steady-clock.ts'

const [SECOND, MINUTE, DAY] = [1_000, 60_000, 86_400_000]
const T0 = Date.UTC(2026, 10, 20, 12)

/** A machine whose clocks a test moves, and the clock of a process on it. */
function machine() {
  const state = { wall: T0, monotonic: 5_000, uptime: 9_000 }
  const jumps: ClockJump[] = []
  const elapsed = createElapsedClock({ wall: () => state.wall, monotonic: () => state.monotonic, uptime: () => state.uptime })
  const now = createSteadyClock({ elapsed, offset: () => state.wall - elapsed(), onJump: (jump) => jumps.push(jump) })
  return {
    now,
    elapsed,
    jumps,
    pass: (millis: number): void => {
      state.wall += millis
      state.monotonic += millis
      state.uptime += millis
    },
    set: (millis: number): void => {
      state.wall += millis
      now()
    },
    sleep: (millis: number): void => {
      state.wall += millis
      state.uptime += millis
    },
  }
}

test('without a jump it is the wall clock', () => {
  const { now, pass, jumps } = machine()
  expect(now()).toBe(T0)
  pass(3 * DAY)
  expect(now()).toBe(T0 + 3 * DAY)
  expect(jumps).toEqual([])
})

test.each([
  ['a day forward', DAY],
  ['ten minutes forward', 10 * MINUTE],
  ['a day back', -DAY],
  ['8 months forward', 243 * DAY],
] as const)('%s and back within ten minutes: nothing has happened', (_what, millis) => {
  const { now, pass, set, jumps } = machine()
  set(millis)
  for (let second = 1; second <= 300; second++) {
    pass(SECOND)
    expect(now()).toBe(T0 + second * SECOND)
  }
  set(-millis)
  pass(SECOND)
  expect(now()).toBe(T0 + 301 * SECOND)
  expect(jumps).toEqual([
    { kind: 'ignored', millis },
    { kind: 'returned', millis },
  ])
})

test('a jump forward that stays is followed after ten minutes, in one step', () => {
  const { now, pass, set, jumps } = machine()
  set(DAY)
  pass(10 * MINUTE - SECOND)
  expect(now()).toBe(T0 + 10 * MINUTE - SECOND)
  pass(SECOND)
  expect(now()).toBe(T0 + 10 * MINUTE + DAY)
  expect(jumps.map(({ kind }) => kind)).toEqual(['ignored', 'followed'])
})

test('a jump back that stays is followed at half speed', () => {
  const { now, pass, set } = machine()
  set(-10 * MINUTE)
  pass(10 * MINUTE)
  const believed = now()
  expect(believed).toBe(T0 + 5 * MINUTE)
  pass(10 * MINUTE)
  expect(now()).toBe(believed + 5 * MINUTE)
  pass(60 * MINUTE)
  expect(now()).toBe(T0 + 70 * MINUTE)
})

test('a clock that jumps about is not believed until it stays', () => {
  const { now, pass, set } = machine()
  for (let minute = 1; minute <= 60; minute++) {
    set(minute % 2 === 0 ? -DAY : DAY)
    pass(MINUTE)
    expect(now()).toBe(T0 + minute * MINUTE)
  }
})

test('time in which the machine slept has passed', () => {
  const { now, elapsed, pass, sleep, jumps } = machine()
  const before = elapsed()
  sleep(8 * 60 * MINUTE)
  expect(now()).toBe(T0 + 8 * 60 * MINUTE)
  expect(elapsed() - before).toBe(8 * 60 * MINUTE)
  pass(SECOND)
  expect(now()).toBe(T0 + 8 * 60 * MINUTE + SECOND)
  expect(jumps).toEqual([])
})

test('it never goes back, never stands still, and leaps only forward to a clock that stayed', () => {
  const step = fc.record({
    pass: fc.integer({ min: 10, max: 20 * MINUTE }),
    set: fc.oneof(fc.constant(0), fc.integer({ min: -DAY, max: DAY })),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { now, pass, set, jumps } = machine()
      for (const { pass: millis, set: jump } of steps) {
        set(jump)
        const [before, followed] = [now(), jumps.filter(({ kind }) => kind === 'followed').length]
        pass(millis)
        const passed = now() - before
        expect(passed).toBeGreaterThanOrEqual(Math.floor(millis / 2) - 1)
        const hasFollowed = jumps.filter(({ kind }) => kind === 'followed').length > followed
        expect(passed).toBeLessThanOrEqual(hasFollowed ? Infinity : millis + 1)
      }
    }),
  )
})
