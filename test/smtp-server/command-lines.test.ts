/**
 * command-lines.test - where a command ends, however TCP splits its bytes
 */
import { expect, test } from 'vitest'
import { createCommandLineReader } from '../../src/smtp-server/command-lines.ts'
import { anySplit, split, HOSTILE, holds } from './chunks.ts'

const LIMIT = 20

/** Reads the bytes of a connection: commands in quotes, malformed lines by their kind. */
function read(chunks: readonly Buffer[], limit = LIMIT): readonly string[] {
  const lines = createCommandLineReader(limit)
  const found: string[] = []
  for (const chunk of chunks) {
    let at = 0
    for (let token = lines.next(chunk, at); token !== null; token = lines.next(chunk, at)) {
      expect(token.end).toBeGreaterThan(at)
      at = token.end
      found.push(token.kind === 'line' ? `"${token.line.toString('latin1')}"` : token.kind)
    }
  }
  return found
}

const cases = [
  // bytes                                     read as
  ['NOOP\r\n', ['"NOOP"']],
  ['NOOP\r\nQUIT\r\n', ['"NOOP"', '"QUIT"']],
  ['NOOP', []],
  ['\r\n', ['""']],
  ['NOOP\nQUIT\r\n', ['bare']],
  ['NOOP\rQUIT\r\n', ['bare']],
  ['NOOP\n', ['bare']],
  ['NOOP\r', []],
  ['NOOP\r\r\n', ['bare']],
  ['NOOP\r\rQUIT\r\n', ['bare']],
  ['NOOP\n\r\nQUIT\r\n', ['bare', '"QUIT"']],
  ['NO\0OP\r\n', ['bare']],
  ['NOOP\r\0\nQUIT\r\n', ['bare']],
  ['NOOP\n\n\n\nRSET\nQUIT\r\nRSET\r\n', ['bare', '"RSET"']],
  ['\nQUIT\r\n', ['bare']],
  [`${'x'.repeat(LIMIT)}\r\n`, [`"${'x'.repeat(LIMIT)}"`]],
  [`${'x'.repeat(LIMIT + 1)}\r\nQUIT\r\n`, ['long', '"QUIT"']],
  [`${'x'.repeat(5 * LIMIT)}\nQUIT\n\r\nRSET\r\n`, ['long', '"RSET"']],
] as const

test.each(cases)('%j', (bytes, want) => {
  const raw = Buffer.from(bytes)
  expect(read([raw])).toEqual(want)
  for (let at = 0; at <= raw.length; at++) expect(read(split(raw, [at]))).toEqual(want)
  expect(read(Array.from(raw, (byte) => Buffer.of(byte)))).toEqual(want)
})

test('every split gives the same result', () =>
  holds([HOSTILE, anySplit], (text, points) => {
    const raw = Buffer.from(text, 'latin1')
    expect(read(split(raw, points))).toEqual(read([raw]))
  }))

test('every command is a whole line between two CR LFs', () =>
  holds([HOSTILE, anySplit], (text, points) => {
    const between = text.split('\r\n').slice(0, -1)
    const wellFormed = between.filter((line) => !/[\r\n\0]/.test(line) && line.length <= 1_000)
    const commands = read(split(Buffer.from(text, 'latin1'), points), 1_000).filter((each) => each.startsWith('"'))
    expect(commands).toEqual(wellFormed.map((line) => `"${line}"`))
  }))
