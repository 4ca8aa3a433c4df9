/**
 * signed-content.test - nothing that a signature does not cover is read, whatever is added around a signed mail
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { extractSignedContent } from '../../src/mail/signed-content.ts'

const FROM = 'From: feedback@loops.example'
const BODY = ['--b', 'Content-Type: text/plain', '', 'hello', '--b--', '']
const TYPE = 'Content-Type: multipart/report; boundary="b"; report-type=feedback-report'

const mail = (header: readonly string[], body: readonly string[] = BODY): Buffer =>
  Buffer.from([...header, '', ...body].join('\r\n'), 'latin1')
const headerOf = (raw: Uint8Array, signed: readonly string[]): string | null => {
  const content = extractSignedContent(raw, signed)
  return content === null ? null : Buffer.from(content).toString('latin1').split('\r\n\r\n')[0] || ''
}
const AGREED = 'Content-Type: multipart/report; boundary="b"'

const cases: readonly (readonly [what: string, raw: Buffer, signed: readonly string[], header: string | null])[] = [
  // what                                       mail                                                signed             header that is read
  ['only signed fields are read', mail(['References: <x@y>', FROM, 'Subject: hi', TYPE]), ['from', 'content-type'], `${FROM}\r\n${TYPE}`],
  [
    'the lowest instance is signed',
    mail(['Subject: evil', FROM, 'Subject: good', TYPE]),
    ['from', 'subject'],
    `${FROM}\r\nSubject: good\r\n${AGREED}`,
  ],
  ['named twice, two instances', mail(['X: 1', 'X: 2', 'X: 3', FROM, TYPE]), ['from', 'x', 'x'], `X: 2\r\nX: 3\r\n${FROM}\r\n${AGREED}`],
  ['a folded field stays whole', mail([FROM, 'Subject: a', '\tb', TYPE]), ['from', 'subject'], `${FROM}\r\nSubject: a\r\n\tb\r\n${AGREED}`],
  ['From is not signed', mail([FROM, TYPE]), ['subject', 'content-type'], null],
  ['two From', mail(['From: mallory@evil.example', FROM, TYPE]), ['from', 'content-type'], null],
  ['two Content-Type', mail(['Content-Type: text/plain', FROM, TYPE]), ['from', 'content-type'], null],
  ['two MIME-Version', mail(['MIME-Version: 1.0', 'MIME-Version: 1.0', FROM, TYPE]), ['from', 'content-type'], null],
  [
    'two Content-Transfer-Encoding',
    mail(['Content-Transfer-Encoding: 7bit', 'Content-Transfer-Encoding: 8bit', FROM, TYPE]),
    ['from'],
    null,
  ],
  ['NUL in From', mail(['From: feedback@loops.example\0', TYPE]), ['from'], null],
  ['a bare CR in From', mail(['From: feedback@loops.example\rX: y', TYPE]), ['from'], null],
  ['a line that is no field', mail(['>From here', FROM, TYPE]), ['from'], null],
  ['white space before the colon', mail(['From : mallory@evil.example', FROM, TYPE]), ['from'], null],
  ['a fold before any field', mail([' x', FROM, TYPE]), ['from'], null],
  ['a line of white space only', mail([FROM, ' ', TYPE]), ['from'], null],
  ['an mbox line at the top', mail(['From a@b.example Mon Jan  1 10:00:00 2026', FROM, TYPE]), ['from'], `${FROM}\r\n${AGREED}`],
  ['an mbox line between fields', mail([FROM, 'From a@b.example Mon Jan  1 10:00:00 2026', TYPE]), ['from'], null],
  ['no empty line', Buffer.from(`${FROM}\r\n`), ['from'], null],
  ['no Content-Type', mail([FROM]), ['from'], null],
  [
    'unsigned boundary of another part',
    mail([FROM, 'Content-Type: multipart/mixed; boundary="c"'], ['--b', '--c', 'x', '--c--', '--b--']),
    ['from'],
    null,
  ],
  ['unsigned boundary that does not close', mail([FROM, TYPE], ['--b', '', 'x', '--b', 'y']), ['from'], null],
  ['text after the last delimiter', mail([FROM, TYPE], [...BODY, 'more']), ['from'], null],
  ['empty lines after it', mail([FROM, TYPE], [...BODY, '', ' ', '']), ['from'], `${FROM}\r\n${AGREED}`],
  ['a preamble', mail([FROM, TYPE], ['This is MIME.', '', ...BODY]), ['from'], `${FROM}\r\n${AGREED}`],
  [
    'multipart/mixed',
    mail([FROM, 'Content-Type: multipart/mixed; boundary=b']),
    ['from'],
    `${FROM}\r\nContent-Type: multipart/mixed; boundary="b"`,
  ],
  ['multipart/alternative, unsigned', mail([FROM, 'Content-Type: multipart/alternative; boundary=b']), ['from'], null],
  ['text/plain, unsigned', mail([FROM, 'Content-Type: text/plain']), ['from'], null],
  ['text/plain, signed', mail([FROM, 'Content-Type: text/plain']), ['from', 'content-type'], `${FROM}\r\nContent-Type: text/plain`],
  ['base64, unsigned', mail(['Content-Transfer-Encoding: base64', FROM, TYPE]), ['from', 'content-type'], null],
  ['binary, unsigned', mail(['Content-Transfer-Encoding: binary', FROM, TYPE]), ['from'], `${FROM}\r\n${AGREED}`],
  ['bare LF line ends', Buffer.from(`${FROM}\n${TYPE}\n\n${BODY.join('\n')}`), ['from'], `${FROM}\r\n${AGREED}`],
]

test.each(cases)('%s', (_, raw, signed, header) => expect(headerOf(raw, signed)).toBe(header))

const NAMES = [
  'From',
  'To',
  'Subject',
  'Date',
  'References',
  'CFBL-Feedback-ID',
  'Content-Type',
  'MIME-Version',
  'X-Failed-Recipients',
] as const
const name = fc.constantFrom(...NAMES)

test('whatever is signed and whatever is added on top, no added field is read', () => {
  const genuine = [FROM, 'To: a@example.com', 'Subject: genuine', 'Date: genuine', TYPE]
  fc.assert(
    fc.property(
      fc.array(name, { maxLength: 6 }),
      fc.array(fc.tuple(name, fc.constantFrom('added', 'multipart/mixed; boundary=added')), { maxLength: 4 }),
      (named, added) => {
        const signed = named.map((each) => each.toLowerCase())
        const original = headerOf(mail(genuine), signedIn(genuine, signed))
        const top = added.map(([field, value]) => `${field}: ${value}`)
        // A verifier finds the same instances: those of the genuine mail first, for they are the lowest.
        const read = headerOf(mail([...top, ...genuine]), signedIn(genuine, signed))
        expect([original, null]).toContain(read)
      },
    ),
  )
})

/** The names that a valid signature with this h= covers in a mail: not those beyond its instances. */
function signedIn(header: readonly string[], signed: readonly string[]): readonly string[] {
  return signed.filter((each, n) => {
    const instances = header.filter((line) => line.toLowerCase().startsWith(`${each}:`)).length
    return signed.slice(0, n).filter((other) => other === each).length < instances
  })
}

test('any bytes give content that ends in the body, or null', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(name, { maxLength: 4 }), (bytes, signed) => {
      const raw = Buffer.concat([mail([FROM], []), Buffer.from(bytes)])
      const content = extractSignedContent(raw, signed)
      expect(content === null || Buffer.from(content).includes(Buffer.from(bytes))).toBe(true)
    }),
  )
})
