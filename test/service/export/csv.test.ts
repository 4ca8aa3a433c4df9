/**
 * csv.test - cells that no spreadsheet executes, and lines that every RFC 4180 reader can read
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { csvLines } from '../../../src/service/export/csv.ts'
import { toPrintable } from '../../../src/telemetry.ts'

test.each([
  // cell                                    written as
  ['=HYPERLINK("http://evil.example")', '"\'=HYPERLINK(""http://evil.example"")"'],
  ['+1+1', "'+1+1"],
  ['-1+1', "'-1+1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['%0A', "'%0A"],
  ['\t=1', "'\t=1"],
  ['\r=1', "'\u240d=1"],
  ['\n=1', '"\'\n=1"'],
  ['  =1', "'  =1"],
  ['\u00a0+1', "'\u00a0+1"],
  ['\u3000=1', "'\u3000=1"],
  ['\uff1d1', "'\uff1d1"],
  ['\uff0b1', "'\uff0b1"],
  ['\uff0d1', "'\uff0d1"],
  ['\uff20a', "'\uff20a"],
  ['|calc', "'|calc"],
  ['a,b', '"a,b"'],
  ['a "b"', '"a ""b"""'],
  ['a\nb', '"a\nb"'],
  ['joe@example.org', 'joe@example.org'],
  ['550-5.1.1 no', '550-5.1.1 no'],
  ['\u001b[2Jred', '\u241b[2Jred'],
  ['\u202etxt.exe', '\ufffdtxt.exe'],
  ['', ''],
  [-5, '-5'],
  [0, '0'],
  [true, 'true'],
  [false, 'false'],
  [null, ''],
])('a cell of %j', (value, want) => expect(csvLines([['a', value, 'b']])).toBe(`a,${want},b\r\n`))

test('no rows give no line', () => expect(csvLines([])).toBe(''))

/** A reader of RFC 4180, for rows that end in CRLF. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  const token = /"((?:[^"]|"")*)"|([^",\r\n]*)/y
  for (let at = 0; at < text.length;) {
    token.lastIndex = at
    const [whole = '', quoted, bare = ''] = token.exec(text) ?? []
    rows.at(-1)?.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'))
    at += whole.length
    if (text.startsWith('\r\n', at)) {
      rows.push([])
      at += 2
    } else if (text[at] === ',') at += 1
    else throw new Error(`what is this at ${at}?`)
  }
  return rows.slice(0, -1)
}

test('property: a reader gets every cell, and none is a formula', () => {
  const cell = fc.string({
    unit: fc.constantFrom('=', '+', '-', '@', '|', '%', '"', "'", ',', ' ', '\t', '\r', '\n', '\u3000', '\uff1d', 'a', '\u001b'),
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 5 }), (rows) => {
      const read = readCsv(csvLines(rows))
      expect(read.map((row) => row.length)).toEqual(rows.map(() => 3))
      for (const [n, text] of rows.flat().entries()) expect([toPrintable(text), toPrintable(`'${text}`)]).toContain(read.flat()[n])
      for (const text of read.flat()) expect(text).not.toMatch(/^[\s\u3000]*[=+\-@\uff1d|%]/u)
    }),
  )
})
