/** reply-outcome.test - any words of a peer give one outcome, and nothing but four good replies is a delivery. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { outcomeOfReplies, replyOutcome } from '../../src/smtp-client/reply-outcome.ts'
import { MAX_REPLY_LENGTH } from '../../src/mail/smtp/reply.ts'

const reply = fc.oneof(
  fc.string({ maxLength: 50, unit: 'binary' }),
  fc.constantFrom('250 ok', '250-a\n250 b', '354 go', '421 bye', '451 later', '550 5.1.1 no', '999 x', '25', '', '2500 x', '250\0'),
)

test('total; a delivery has four good replies; refusals are 4xx and 5xx', () => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 6 }), fc.string(), (replies, why) => {
      const told = outcomeOfReplies(replies, why, 'mx.example')
      expect(told.text.length).toBeLessThanOrEqual(MAX_REPLY_LENGTH)
      expect(told.text.isWellFormed()).toBe(true)
      expect(told.text).not.toContain('\0')
      const opened = replies.slice(0, 4).map((each) => each.slice(0, 1))
      const known =
        told.kind === 'error'
          ? told.error === 'dropped'
          : told.code >= 400
            ? told.code < 600
            : told.phase === 'end' && /^22[23]2$/.test(opened.join(''))
      expect(known).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  // what the peer said               code
  ['550 no', 550],
  ['550-a\r\n550 b', 550],
  ['550', 550],
  ['5500 no', null],
  ['55', null],
  ['600 no', null],
  [' 550 no', null],
  ['no', null],
] as const)('replyOutcome %j', (raw, code) => {
  const told = replyOutcome(raw, 'mail', null)
  expect(told?.kind === 'reply' ? told.code : null).toBe(code)
})
