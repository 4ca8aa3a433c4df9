/** data-blocks.test - what a server undoes gives the message back, and the terminator stands at the end alone. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dataBlocks } from '../../src/smtp-client/data-blocks.ts'

const encode = (message: Buffer): string => Buffer.concat([...dataBlocks(message)]).toString('latin1')

test.each([
  // message                          on the wire
  ['', '.\r\n'],
  ['a\r\n', 'a\r\n.\r\n'],
  ['a', 'a\r\n.\r\n'],
  ['a\r', 'a\r\n.\r\n'],
  ['.\r\n', '..\r\n.\r\n'],
  ['a\r\n.b\r\n..c', 'a\r\n..b\r\n...c\r\n.\r\n'],
  ['a\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r.\rb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\n.\r\nb', 'a\r\n..\r\nb\r\n.\r\n'],
] as const)('%j', (message, want) => expect(encode(Buffer.from(message))).toBe(want))

const text = fc.array(fc.constantFrom('a', '.', '\r', '\n', '\r\n', '\r\n.', '\n.\r\n'), { maxLength: 60 }).map((parts) => parts.join(''))

test('any message, wherever a block ends', () => {
  fc.assert(
    fc.property(text, text, (first, second) => {
      // The padding puts the two texts around the end of a block.
      const message = `${first}${'x'.repeat(65_536 - first.length - (second.length >> 1))}${second}`
      const wire = encode(Buffer.from(message))
      const lines = message.replaceAll(/\r\n|\r|\n/g, '\r\n')
      expect(wire.endsWith('\r\n.\r\n')).toBe(true)
      expect(wire.slice(0, -3).replaceAll(/^\./gm, '')).toBe(lines.endsWith('\r\n') ? lines : `${lines}\r\n`)
      expect(/(?<!\r)\n|\r(?!\n)/.test(wire)).toBe(false)
      expect(wire.indexOf('\r\n.\r\n')).toBe(wire.length - 5)
    }),
    { numRuns: 200 },
  )
})
