/** stated-delay.test - replies with a delay, and replies with other numbers */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseStatedDelayMs } from '../../../src/mail/smtp/stated-delay.ts'

const cases = [
  ['450 4.2.0 Greylisted, please try again in 5 minutes', 300_000],
  ['451 4.7.1 Greylisted for 300 seconds', 300_000],
  ['421 Too many connections, retry after 60 secs', 60_000],
  ['451 try again in five minutes', 300_000],
  ['421 4.7.0 wait 2 hours before sending again', 7_200_000],
  ['450 4.2.0 Recipient address rejected: Greylisted (delayed 30s)', 30_000],
  ['451 4.3.0 try again later', null],
  ['421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred', null],
  ['550 5.1.1 no such user since 5 minutes', null],
  ['451 try again. Your limit is 100 messages in 60 minutes', null],
  ['', null],
] as const

test.each(cases)('parseStatedDelayMs %j', (text, want) => expect(parseStatedDelayMs(text)).toBe(want))

test('any text gives a positive number or null', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 3_000 }), (text) => {
      const delay = parseStatedDelayMs(text)
      expect(delay === null || delay > 0).toBe(true)
    }),
  )
})
