/** reply-reader.test - the same replies wherever the network splits the bytes, and a bound on each of them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createReplyReader } from '../../src/smtp-client/reply-reader.ts'

/** The replies of some bytes, given in pieces; the text that is left over, or 'too long'. */
function readAll(pieces: readonly Buffer[]): { replies: string[]; rest: string } {
  const reader = createReplyReader()
  const replies: string[] = []
  for (const piece of pieces) {
    const complete = reader.push(piece)
    if (complete === null) return { replies, rest: 'too long' }
    replies.push(...complete)
  }
  return { replies, rest: reader.unfinished() }
}

test.each<[string, string[], string]>([
  // bytes                                     replies                       left over
  ['250 ok\r\n', ['250 ok'], ''],
  ['250 ok\n', ['250 ok'], ''],
  ['250-a\r\n250-b\r\n250 c\r\n', ['250-a\n250-b\n250 c'], ''],
  ['250 a\r\n\r\n  \r\n250 b\r\n', ['250 a', '250 b'], ''],
  ['550-a\r\nno code\r\n', ['550-a\nno code'], ''],
  ['SSH-2.0-OpenSSH\r\n', ['SSH-2.0-OpenSSH'], ''],
  ['250 ok\r\n550 5.7.1 go aw', ['250 ok'], '550 5.7.1 go aw'],
  ['550-a\r\n', [], '550-a'],
  [`250 ${'x'.repeat(70_000)}`, [], 'too long'],
  ['250-\r\n'.repeat(501), [], 'too long'],
])('%j', (bytes, replies, rest) => expect(readAll([Buffer.from(bytes)])).toEqual({ replies, rest }))

test('bytes that are not UTF-8 are read as Latin-1', () => {
  expect(readAll([Buffer.from('550 f\u00fcr\r\n', 'latin1')]).replies).toEqual(['550 f\u00fcr'])
  expect(readAll([Buffer.from('550 f\u00fcr\r\n')]).replies).toEqual(['550 f\u00fcr'])
})

test('a split of the bytes changes nothing', () => {
  const piece = fc.constantFrom('250', '-', ' ', '\r', '\n', '\r\n', 'x', '\u00fc', '550-a\r\n')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (parts) => {
      const bytes = Buffer.from(parts.join(''))
      const single = Array.from(bytes, (byte) => Buffer.of(byte))
      expect(readAll(single)).toEqual(readAll([bytes]))
    }),
  )
})
