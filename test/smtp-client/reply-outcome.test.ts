/** reply-outcome.test - any replies give one outcome, and only four expected replies are a delivery. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { outcomeOfReplies, outcomeOfReply } from '../../src/smtp-client/reply-outcome.ts'
import { MAX_REPLY_LENGTH } from '../../src/mail/smtp/reply.ts'

const reply = fc.oneof(
  fc.string({ maxLength: 50, unit: 'binary' }),
  fc.constantFrom('250 ok', '250-a\n250 b', '354 go', '421 bye', '451 later', '550 5.1.1 no', '999 x', '25', '', '2500 x', '250\0'),
)

test('total; a delivery has four expected replies; a refusal is a 4xx or 5xx', () => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 6 }), fc.string(), (replies, closeReason) => {
      const outcome = outcomeOfReplies(replies, closeReason, 'mx.example')
      expect(outcome.text.length).toBeLessThanOrEqual(MAX_REPLY_LENGTH)
      expect(outcome.text.isWellFormed()).toBe(true)
      expect(outcome.text).not.toContain('\0')
      const firstDigits = replies.slice(0, 4).map((each) => each.slice(0, 1))
      const isValid =
        outcome.kind === 'error'
          ? outcome.error === 'dropped'
          : outcome.code >= 400
            ? outcome.code < 600
            : outcome.phase === 'end' && /^22[23]2$/.test(firstDigits.join(''))
      expect(isValid).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  // reply                            code
  ['550 no', 550],
  ['550-a\r\n550 b', 550],
  ['550', 550],
  ['5500 no', null],
  ['55', null],
  ['600 no', null],
  [' 550 no', null],
  ['no', null],
] as const)('outcomeOfReply %j', (raw, code) => {
  const outcome = outcomeOfReply(raw, 'mail', null)
  expect(outcome?.kind === 'reply' ? outcome.code : null).toBe(code)
})
