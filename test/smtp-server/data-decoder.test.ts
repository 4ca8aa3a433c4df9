/**
 * data-decoder.test - where a mail ends, however TCP splits its bytes
 */
import { describe, expect, test } from 'vitest'
import { DATA_START, decodeData } from '../../src/smtp-server/data-decoder.ts'
import { normaliseLineEndings } from '../../src/smtp-server/line-endings.ts'
import { anySplit, split, fc, holds, HOSTILE } from './chunks.ts'
import { VARIANTS } from './smuggling.ts'

type Decoded = { readonly mail: string; readonly rest: string | null }

/** Decodes the chunks of one DATA. `rest` is the bytes after its end, null when it does not end. */
function decode(chunks: readonly Buffer[]): Decoded {
  let state = DATA_START
  const mail: Buffer[] = []
  for (const [n, chunk] of chunks.entries()) {
    const decoded = decodeData(state, chunk)
    mail.push(decoded.text)
    state = decoded.state
    if (decoded.end === null) continue
    const rest = Buffer.concat([chunk.subarray(decoded.end), ...chunks.slice(n + 1)])
    return { mail: Buffer.concat(mail).toString('latin1'), rest: rest.toString('latin1') }
  }
  // The decoder holds back a CR that may belong to the end. A mail without an end is discarded anyway.
  if (state === 'dotCr') mail.push(Buffer.from('\r'))
  return { mail: Buffer.concat(mail).toString('latin1'), rest: null }
}

/** The rule applied to a whole string: the first CR LF . CR LF is the end, and a dot after CR LF is removed. */
function reference(bytes: string): Decoded {
  const all = `\r\n${bytes}`
  const end = all.indexOf('\r\n.\r\n')
  const text = end < 0 ? all : all.slice(0, end + 2)
  return { mail: text.replaceAll('\r\n.', '\r\n').slice(2), rest: end < 0 ? null : all.slice(end + 5) }
}

const SMUGGLED = 'MAIL FROM:<evil@example.net>\r\n'

describe.each(VARIANTS)('$name', ({ bytes, ends }) => {
  const raw = Buffer.from(`Subject: x\r\n\r\nhello${bytes}${SMUGGLED}`)

  test('ends the mail only if it contains CR LF . CR LF', () => {
    const { mail, rest } = decode([raw])
    expect(rest).toBe(ends ? SMUGGLED : null)
    expect(mail.includes(SMUGGLED)).toBe(!ends)
  })

  test('in every split into two and in single bytes', () => {
    const want = decode([raw])
    for (let at = 0; at <= raw.length; at++) expect(decode(split(raw, [at]))).toEqual(want)
    expect(decode(Array.from(raw, (byte) => Buffer.of(byte)))).toEqual(want)
  })

  test('at the beginning of a mail', () => {
    const first = Buffer.from(`${bytes}${SMUGGLED}`)
    expect(decode([first])).toEqual(reference(first.toString('latin1')))
  })
})

const beginnings = [
  // DATA bytes              mail                rest
  ['.\r\n', '', ''],
  ['.\r\nQUIT\r\n', '', 'QUIT\r\n'],
  ['..\r\n.\r\n', '.\r\n', ''],
  ['.a\r\n.\r\n', 'a\r\n', ''],
  ['...\r\n.\r\n', '..\r\n', ''],
  ['a\r\n..b\r\n.\r\n', 'a\r\n.b\r\n', ''],
  ['.\n\r\n.\r\n', '\n\r\n', ''],
  ['.\r.\r\n.\r\n', '\r.\r\n', ''],
  ['a\n.b\r\n.\r\n', 'a\n.b\r\n', ''],
  ['\r\n.\r\n', '\r\n', ''],
] as const
test.each(beginnings)('DATA %j', (bytes, mail, rest) => {
  expect(decode([Buffer.from(bytes)])).toEqual({ mail, rest })
})

test('hostile bytes, however they are split, are decoded by the rule', () =>
  holds([HOSTILE, anySplit], (text, points) => {
    const raw = Buffer.from(text, 'latin1')
    expect(decode(split(raw, points))).toEqual(reference(text))
  }))

test('any bytes, however they are split', () =>
  holds([fc.uint8Array({ maxLength: 200 }), anySplit], (bytes, points) => {
    const raw = Buffer.from(bytes)
    expect(decode(split(raw, points))).toEqual(reference(raw.toString('latin1')))
  }))

describe('line endings of a stored mail', () => {
  const lines = [
    ['', ''],
    ['a\r\nb\r\n', 'a\r\nb\r\n'],
    ['a\nb', 'a\r\nb'],
    ['a\rb', 'a\r\nb'],
    ['\n', '\r\n'],
    ['\r', '\r\n'],
    ['\r\r\n', '\r\n\r\n'],
    ['\n\r', '\r\n\r\n'],
    ['\n.\n', '\r\n.\r\n'],
    ['a\r\n\rb\n', 'a\r\n\r\nb\r\n'],
  ] as const
  test.each(lines)('%j', (from, want) => expect(normaliseLineEndings(Buffer.from(from)).toString()).toBe(want))

  test('a mail with CR LF only is not copied', () => {
    const raw = Buffer.from('a\r\nb\r\n')
    expect(normaliseLineEndings(raw)).toBe(raw)
  })

  test('no bare LF or CR remains, and a second pass changes nothing', () =>
    holds([HOSTILE], (text) => {
      const once = normaliseLineEndings(Buffer.from(text, 'latin1'))
      expect(once.toString('latin1').replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
      expect(once.toString('latin1').replaceAll('\r\n', '\n')).toBe(text.replaceAll(/\r\n|\r|\n/g, '\n'))
      expect(normaliseLineEndings(once)).toBe(once)
    }))
})
