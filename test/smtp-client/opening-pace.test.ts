/** opening-pace.test - turns of a key are spread evenly; keys do not wait for each other; unused turns are not saved */
import { expect, test } from 'vitest'
import { createOpeningPace } from '../../src/smtp-client/opening-pace.ts'

test('turns are spread evenly, by key, and are not saved', () => {
  let now = 0
  const { reserve } = createOpeningPace(() => now)
  expect([reserve('a', 60), reserve('a', 60), reserve('a', 60), reserve('b', 60)]).toEqual([0, 1_000, 2_000, 0])
  now = 2_500
  expect(reserve('a', 60)).toBe(500)
  now = 60_000
  expect([reserve('a', 60), reserve('a', 60)]).toEqual([0, 1_000])
})
