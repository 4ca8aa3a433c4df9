/**
 * data-decoder.test - where a mail ends, whichever way TCP cuts it
 */
import { describe, expect, test } from 'vitest'
import { DATA_START, decodeData } from '../../src/smtp-server/data-decoder.ts'
import { normaliseLineEndings } from '../../src/smtp-server/line-endings.ts'
import { anyCut, cut, fc, holds, HOSTILE } from './chunks.ts'
import { VARIANTS } from './smuggling.ts'

type Outcome = { readonly mail: string; readonly behind: string | null }

/** Feeds the chunks of one DATA; `behind` is what stands after its end, null where it has none. */
function feed(chunks: readonly Buffer[]): Outcome {
  let state = DATA_START
  const mail: Buffer[] = []
  for (const [n, chunk] of chunks.entries()) {
    const step = decodeData(state, chunk)
    mail.push(step.text)
    state = step.state
    if (step.end === null) continue
    const behind = Buffer.concat([chunk.subarray(step.end), ...chunks.slice(n + 1)])
    return { mail: Buffer.concat(mail).toString('latin1'), behind: behind.toString('latin1') }
  }
  // A CR that may belong to an end is held back; a mail without an end is thrown away with it.
  if (state === 'dotCr') mail.push(Buffer.from('\r'))
  return { mail: Buffer.concat(mail).toString('latin1'), behind: null }
}

/** The law in three lines, over whole strings: the end is the first CR LF . CR LF, and a dot behind CR LF is dropped. */
function law(bytes: string): Outcome {
  const all = `\r\n${bytes}`
  const end = all.indexOf('\r\n.\r\n')
  const text = end < 0 ? all : all.slice(0, end + 2)
  return { mail: text.replaceAll('\r\n.', '\r\n').slice(2), behind: end < 0 ? null : all.slice(end + 5) }
}

const SMUGGLED = 'MAIL FROM:<evil@example.net>\r\n'

describe.each(VARIANTS)('$name', ({ bytes, ends }) => {
  const raw = Buffer.from(`Subject: x\r\n\r\nhello${bytes}${SMUGGLED}`)

  test('ends what it ends, and nothing else', () => {
    const { mail, behind } = feed([raw])
    expect(behind).toBe(ends ? SMUGGLED : null)
    expect(mail.includes(SMUGGLED)).toBe(!ends)
  })

  test('in every cut of two and in single bytes', () => {
    const want = feed([raw])
    for (let at = 0; at <= raw.length; at++) expect(feed(cut(raw, [at]))).toEqual(want)
    expect(feed(Array.from(raw, (byte) => Buffer.of(byte)))).toEqual(want)
  })

  test('at the very beginning of a mail', () => {
    const first = Buffer.from(`${bytes}${SMUGGLED}`)
    expect(feed([first])).toEqual(law(first.toString('latin1')))
  })
})

const beginnings = [
  // DATA bytes              mail                behind
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
test.each(beginnings)('DATA %j', (bytes, mail, behind) => {
  expect(feed([Buffer.from(bytes)])).toEqual({ mail, behind })
})

test('any hostile bytes in any cut are read as the law says', () =>
  holds([HOSTILE, anyCut], (text, points) => {
    const raw = Buffer.from(text, 'latin1')
    expect(feed(cut(raw, points))).toEqual(law(text))
  }))

test('any bytes at all in any cut', () =>
  holds([fc.uint8Array({ maxLength: 200 }), anyCut], (bytes, points) => {
    const raw = Buffer.from(bytes)
    expect(feed(cut(raw, points))).toEqual(law(raw.toString('latin1')))
  }))

describe('line ends of what is stored', () => {
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

  test('a mail that is right is not copied', () => {
    const raw = Buffer.from('a\r\nb\r\n')
    expect(normaliseLineEndings(raw)).toBe(raw)
  })

  test('no bare LF or CR is left, and a second time changes nothing', () =>
    holds([HOSTILE], (text) => {
      const once = normaliseLineEndings(Buffer.from(text, 'latin1'))
      expect(once.toString('latin1').replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
      expect(once.toString('latin1').replaceAll('\r\n', '\n')).toBe(text.replaceAll(/\r\n|\r|\n/g, '\n'))
      expect(normaliseLineEndings(once)).toBe(once)
    }))
})
