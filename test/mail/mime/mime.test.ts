/** mime.test - parts and contents of messages, malformed ones included */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { getHeaders } from '../../../src/mail/mime/header.ts'
import { decodePartBytes, decodePartText } from '../../../src/mail/mime/content.ts'
import { type MimeMessage, parseMime } from '../../../src/mail/mime/mime.ts'
import type { MimePart } from '../../../src/mail/mime/part.ts'

const mailOf = (text: string): Buffer => Buffer.from(text, 'latin1')
const shapeOf = (part: MimePart): string =>
  part.children.length === 0 ? part.type : `${part.type}(${part.children.map(shapeOf).join(' ')})`
const textsOf = (mime: MimeMessage): readonly string[] =>
  mime.parts.filter((part) => part.children.length === 0).map((part) => decodePartText(mime, part).trim())

const REPORT =
  'Content-Type: multipart/report; boundary=b\n\npreamble\n--b\n\nhello\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\nbody\n--b--\nepilogue\n'
const TWO = 'Content-Type: multipart/mixed; boundary="b"\n\n'

const shapes: readonly (readonly [string, string, string, readonly string[]])[] = [
  // what it shows                the mail   its parts   their text
  ['a plain mail', 'Subject: x\n\nhi', 'text/plain', ['hi']],
  ['a report', REPORT, 'multipart/report(text/plain message/rfc822(text/plain))', ['hello', 'body']],
  ['CRLF', REPORT.replaceAll('\n', '\r\n'), 'multipart/report(text/plain message/rfc822(text/plain))', ['hello', 'body']],
  ['CR alone', REPORT.replaceAll('\n', '\r'), 'multipart/report(text/plain message/rfc822(text/plain))', ['hello', 'body']],
  [
    'an mbox line in front',
    `From MAILER-DAEMON Tue Apr  1 08:00:00 2025\n${REPORT}`,
    'multipart/report(text/plain message/rfc822(text/plain))',
    ['hello', 'body'],
  ],
  ['blank lines in front', `\n\r\n${REPORT}`, 'multipart/report(text/plain message/rfc822(text/plain))', ['hello', 'body']],
  ['no header at all', 'Sorry, no such user.\nBye.', 'text/plain', ['Sorry, no such user.\nBye.']],
  ['nothing', '', 'text/plain', ['']],
  ['only a header', 'Subject: x', 'text/plain', ['']],
  ['no close', `${TWO}--b\n\none\n--b\n\ntwo\n`, 'multipart/mixed(text/plain text/plain)', ['one', 'two']],
  ['a close that came early', `${TWO}--b\n\none\n--b--\n--b\n\ntwo\n--b--\n`, 'multipart/mixed(text/plain text/plain)', ['one', 'two']],
  [
    'a second mail in the file',
    `${TWO}--b\n\none\n--b--\nFrom x@example.com\n\n--b\n\ntwo\n--b--\n`,
    'multipart/mixed(text/plain)',
    ['one'],
  ],
  ['white space behind a delimiter', `${TWO}--b  \n\none\n--b-- \n`, 'multipart/mixed(text/plain)', ['one']],
  [
    'a boundary that nobody closes inside',
    `${TWO}--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--`,
    'multipart/mixed(multipart/alternative(text/plain) text/plain)',
    ['one', 'two'],
  ],
  [
    'one boundary as a prefix of the other',
    `${TWO}--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--bb--\n--b\n\ntwo\n--b--`,
    'multipart/mixed(multipart/alternative(text/plain) text/plain)',
    ['one', 'two'],
  ],
  [
    'one boundary on two levels',
    `${TWO}--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n--b--`,
    'multipart/mixed(multipart/alternative(text/plain) text/plain)',
    ['one', 'two'],
  ],
  [
    'a boundary that never occurs',
    `Content-Type: multipart/mixed; boundary=lie\n\n--b\nContent-Type: text/plain\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--`,
    'multipart/mixed(text/plain text/html)',
    ['one', 'two'],
  ],
  [
    'no boundary declared',
    `Content-Type: multipart/mixed\n\n--b\nContent-Type: text/plain\n\none\n--b--`,
    'multipart/mixed(text/plain)',
    ['one'],
  ],
  ['a multipart without parts', `${TWO}only words`, 'multipart/mixed(text/plain)', ['only words']],
  ['a part without a blank line', `${TWO}--b\none two\n--b--`, 'multipart/mixed(text/plain)', ['one two']],
  [
    'a part that is only a header',
    `${TWO}--b\nContent-Type: text/html\n--b\n\ntwo\n--b--`,
    'multipart/mixed(text/html text/plain)',
    ['', 'two'],
  ],
  [
    'a digest',
    'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b--',
    'multipart/digest(message/rfc822(text/plain))',
    ['one'],
  ],
  ['an unlawful type', 'Content-Type: text\n\nx', 'text/plain', ['x']],
  ['message/global', 'Content-Type: message/global\n\nSubject: x\n\none', 'message/global(text/plain)', ['one']],
  [
    'a mail in base64 stays a leaf',
    'Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKaGk=',
    'message/rfc822',
    ['Subject: x\n\nhi'],
  ],
]

test.each(shapes)('parts of %s', (_name, text, shape, texts) => {
  const mime = parseMime(mailOf(text))
  expect(shapeOf(mime.root)).toBe(shape)
  expect(textsOf(mime)).toEqual(texts)
})

test('an enclosed message has its own header', () => {
  const mime = parseMime(mailOf(REPORT))
  expect(mime.parts.map((part) => getHeaders(part.headers, 'subject')[0] ?? null)).toEqual([null, null, null, 'inner'])
})

const bodies: readonly (readonly [string, string, string])[] = [
  // header                                                                        body                          text
  ['Content-Transfer-Encoding: base64', 'aGVsbG8=', 'hello'],
  ['Content-Transfer-Encoding: Base64 ;', 'aGVs\r\nbG8=\r\n', 'hello'],
  ['Content-Transfer-Encoding: base64', 'aGVsbG8=\nIHlvdQ==\n', 'hello you'],
  ['Content-Transfer-Encoding: base64', 'aGVsbG8h\n-- \nThis footer was added!\n', 'hello!'],
  ['Content-Transfer-Encoding: base64', 'No base64, but words.', 'No base64, but words.'],
  ['Content-Transfer-Encoding: quoted-printable', 'a=3Db=\nc =20=\n=zz=4', 'a=bc  =zz=4'],
  ['Content-Transfer-Encoding: quoted-printable', 'a \t\r\nb=20 \nc =\n\nd \r', 'a\nb \nc \nd \n'],
  ['Content-Transfer-Encoding: quoted printable', 'a=3db \r\nc', 'a=b\nc'],
  ['Content-Type: text/plain; charset=utf-8', '\xc3\xa4', 'ä'],
  ['Content-Type: text/plain; charset=iso-8859-1', '\xe4', 'ä'],
  ['Content-Type: text/plain; charset=gb2312', '\xd3\xca\xcf\xe4', '邮箱'],
  ['Content-Type: text/plain', '\xd3\xca\xcf\xe4\xb2\xbb\xb4\xe6\xd4\xda', '邮箱不存在'],
  ['Content-Type: text/plain; charset=us-ascii', '\xc3\xa4', 'ä'],
  ['Content-Type: text/plain; charset=utf-8', 'caf\xe9', 'café'],
  ['Content-Type: text/plain; charset=x-nobody-knows', 'caf\xc3\xa9', 'café'],
  ['Content-Type: text/plain; charset=iso-2022-jp', '\x1b$B%a!<%k\x1b(B', 'メール'],
  ['Subject: no charset', '\x1b$B%a!<%k\x1b(B', 'メール'],
  ['Content-Type: text/plain; charset=iso-2022-jp', '\xe3\x83\xa1', 'メ'],
  ['Content-Type: text/plain; charset=shift_jis', '\x83\x81\x81[\x83\x8b', 'メール'],
  ['Content-Type: text/plain; charset=cp-850', 'Zur\x81ck', 'Zurück'],
  ['Content-Type: text/plain; charset=unicode-1-1-utf-7', 'Zur+APw-ck +- 1', 'Zurück + 1'],
  ['Content-Type: text/plain; charset=iso-2022-kr', '\x1b$)C\x0eGQ19\x0f!', '한국!'],
  ['Content-Type: text/plain; charset=hz-gb-2312', '~{<:~}!', '己!'],
  ['Content-Type: text/plain; charset=iso-8859-8-i', '\xf9', 'ש'],
  ['Content-Type: text/plain; charset=utf-16le', 'h\0i\0', 'hi'],
  ['Subject: x', 'a\r\nb\rc\r\r\nd', 'a\nb\nc\nd'],
]

test.each(bodies)('text of %j %j', (head, body, text) => {
  const mime = parseMime(mailOf(`${head}\n\n${body}`))
  expect(decodePartText(mime, mime.root)).toBe(text)
})

test('a cap cuts the text but not the structure', () => {
  const mime = parseMime(mailOf(`Subject: x\n\n${'a'.repeat(1_000)}`))
  expect(decodePartText(mime, mime.root, 10)).toBe('a'.repeat(10))
  expect(decodePartBytes(mime, mime.root, 10)).toHaveLength(10)
})

const names: readonly (readonly [string, string | null, string | null])[] = [
  ['Content-Disposition: attachment; filename="a b.txt"', 'attachment', 'a b.txt'],
  ["Content-Disposition: attachment; filename*=utf-8''a%20%C3%A4.txt", 'attachment', 'a ä.txt'],
  ["Content-Disposition: inline; filename*0*=utf-8''a%C3; filename*1*=%A4; filename*2=.txt", 'inline', 'aä.txt'],
  ['Content-Type: text/plain; name="=?utf-8?q?=C3=A4=2Etxt?="', null, 'ä.txt'],
  ['Content-Disposition: (x) ATTACHMENT (y)', 'attachment', null],
  ['Content-Type: text/plain; name=__proto__', null, '__proto__'],
]

test.each(names)('names of %j', (head, disposition, filename) => {
  const { root } = parseMime(mailOf(`${head}\n\n`))
  expect([root.disposition, root.filename]).toEqual([disposition, filename])
})

/** Whether the offsets of a part are in order, within the bytes, within its parent and after its previous sibling. */
function expectNested(mime: MimeMessage): void {
  const walk = (part: MimePart): void => {
    expect(part.headerStart).toBeGreaterThanOrEqual(0)
    expect(part.bodyStart).toBeGreaterThanOrEqual(part.headerStart)
    expect(part.bodyEnd).toBeGreaterThanOrEqual(part.bodyStart)
    expect(part.bodyEnd).toBeLessThanOrEqual(mime.raw.length)
    let floor = part.bodyStart
    for (const child of part.children) {
      expect(child.depth).toBe(part.depth + 1)
      expect(child.headerStart).toBeGreaterThanOrEqual(floor)
      expect(child.bodyEnd).toBeLessThanOrEqual(part.bodyEnd)
      floor = child.bodyEnd
      walk(child)
    }
  }
  walk(mime.root)
}

type Tree = { readonly boundary: string; readonly children: readonly Tree[]; readonly text: string; readonly isMail: boolean }

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ boundary: fc.constant(''), children: fc.constant([]), text: fc.stringMatching(/^[a-z ]{1,40}$/), isMail: fc.boolean() }),
    fc.record({
      boundary: fc.stringMatching(/^[a-z0-9=_.]{1,20}$/),
      children: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }),
      text: fc.constant(''),
      isMail: fc.constant(false),
    }),
  ),
}))

/** Numbers boundaries so that none repeats. */
function write(node: Tree, count: { n: number }, eol: string): string {
  if (node.isMail) return `Content-Type: message/rfc822${eol}${eol}Subject: x${eol}${eol}${node.text}`
  if (node.children.length === 0) return `Content-Type: text/plain${eol}${eol}${node.text}`
  const boundary = `${node.boundary}.${count.n++}`
  const children = node.children.map((child) => `--${boundary}${eol}${write(child, count, eol)}${eol}`)
  return `Content-Type: multipart/mixed; boundary="${boundary}"${eol}${eol}${children.join('')}--${boundary}--${eol}`
}

function shapeOfTree(node: Tree): string {
  if (node.isMail) return 'message/rfc822(text/plain)'
  return node.children.length === 0 ? 'text/plain' : `multipart/mixed(${node.children.map(shapeOfTree).join(' ')})`
}

const leavesOf = (node: Tree): readonly string[] => (node.children.length === 0 ? [node.text] : node.children.flatMap(leavesOf))

describe('properties', () => {
  test('reads the tree that was written', () => {
    fc.assert(
      fc.property(tree, fc.constantFrom('\n', '\r\n', '\r'), (node, eol) => {
        const mime = parseMime(mailOf(write(node, { n: 0 }, eol)))
        expect(shapeOf(mime.root)).toBe(shapeOfTree(node))
        const texts = mime.parts.filter((part) => part.children.length === 0).map((part) => decodePartText(mime, part).replace(/\n$/, ''))
        expect(texts).toEqual(leavesOf(node))
        expectNested(mime)
      }),
      { numRuns: 300 },
    )
  })

  const pieces = fc.constantFrom(
    '--b',
    '--b--',
    '\n',
    '\r\n',
    '\r',
    '\n\n',
    'Content-Type: multipart/mixed; boundary=b\n',
    'Content-Type: message/rfc822\n',
    'boundary="',
    '\0',
    'x',
    ' ',
    '=',
    'Content-Transfer-Encoding: base64\n',
    '\xff\xfe',
    '\x1b$B',
    'From x\n',
    '--bb',
    'Subject: =?utf-8?b?w6Q=?=\n',
  )
  const soup = fc.array(pieces, { maxLength: 60 }).map((all) => mailOf(all.join('')))

  test('any bytes give the same value each time, with valid offsets', () => {
    fc.assert(
      fc.property(fc.oneof(soup, fc.uint8Array({ maxLength: 400 })), (raw) => {
        const mime = parseMime(raw)
        expectNested(mime)
        const read = mime.parts.map((part) => [part.type, decodePartText(mime, part), decodePartBytes(mime, part).length])
        const again = parseMime(Uint8Array.from(raw))
        expect(again.parts.map((part) => [part.type, decodePartText(again, part), decodePartBytes(again, part).length])).toEqual(read)
      }),
      { numRuns: 500 },
    )
  })

  test('accepts changed, removed and cut bytes', () => {
    const raw = mailOf(REPORT)
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.nat(255), fc.constantFrom('change', 'drop', 'cut'), (at, byte, how) => {
        const before = raw.subarray(0, at)
        const hurt =
          how === 'cut' ? before : Buffer.concat([before, how === 'change' ? Buffer.from([byte]) : Buffer.alloc(0), raw.subarray(at + 1)])
        const mime = parseMime(hurt)
        expectNested(mime)
        for (const part of mime.parts) expect(typeof decodePartText(mime, part)).toBe('string')
      }),
      { numRuns: 500 },
    )
  })
})
