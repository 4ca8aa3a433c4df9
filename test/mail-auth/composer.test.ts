/**
 * composer.test - the header of a mail alone is the header that the whole mail has
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitHeaderFields } from '../../src/compose/header-line.ts'
import { createHeaderComposer } from '../../src/mail-auth/header-composer.ts'
import { compileMessage, type MessageFields } from '../../src/mail-auth/mime-tree.ts'
import { writeMimeTree } from '../../src/mail-auth/mime-writer.ts'
import { composeContent, composeHeaderFields, composeMessage } from '../../src/mail-auth/composer.ts'

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const address = fc.oneof(
  fc.tuple(word, word).map(([local, domain]) => `${local}@${domain}.example.net`),
  fc.tuple(word, word).map(([local, domain]) => `"${local} x"@${domain}ü.example.net`),
)
const text = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc
    .array(fc.constantFrom('a word', 'ü', '\r\n', '\n', '\r', '\t', '=?utf-8?q?x?=', 'x'.repeat(90), '\u0000', ';'))
    .map((parts) => parts.join(' ')),
)
const headerName = fc.oneof(
  fc.constantFrom(
    'X-Campaign',
    'CFBL-Address',
    'Feedback-ID',
    'List-Unsubscribe',
    'list-id',
    'References',
    'MIME-Version',
    'Precedence',
    'Content-Language',
    'X-SMTPAPI',
  ),
  word.map((name) => `X-${name}`),
)
const message: fc.Arbitrary<MessageFields> = fc.record({
  from: fc.record({ name: text, address }),
  to: fc.array(address, { minLength: 1, maxLength: 4 }),
  cc: fc.array(address, { maxLength: 3 }),
  replyTo: fc.array(address, { maxLength: 3 }),
  subject: text,
  html: fc.option(text),
  plain: fc.option(text),
  attachments: fc.constantFrom([], [{ name: 'Liste ü.txt', type: 'text/plain', content: 'b25l', cid: null }]),
  headers: fc.dictionary(headerName, text, { maxKeys: 6 }),
  messageId: word.map((id) => `<${id}@example.com>`),
  date: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  boundarySeed: fc.constant('0123456789abcdef'),
})

/** Texts whose encoding, folds and line ends differ, and attachments of all sizes. */
const part = fc.oneof(
  text,
  fc.tuple(text, fc.constantFrom(' ', '\t', '\n', '\r', '\r\n', '.', ' \n', 'ü')).map(([start, end]) => `${start}${end}`),
  fc
    .tuple(fc.constantFrom('a line\n', 'word ', 'ü', 'x', '日本'), fc.integer({ min: 1, max: 2_000 }))
    .map(([piece, count]) => piece.repeat(count)),
  fc.constantFrom('x'.repeat(65_536), 'a word '.repeat(9_400), `${'y'.repeat(65_536)} z`),
)
const attachment = fc.record({
  name: fc.oneof(text, fc.constant('Liste ü.txt')),
  type: fc.constantFrom('', 'text/plain', 'text/html; charset=utf-8', 'image/png', 'message/rfc822', 'multipart/mixed', 'application/pdf'),
  content: fc
    .oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(70_000)))
    .map((bytes) => Buffer.from(bytes).toString('base64')),
  cid: fc.constantFrom(null, 'a@b'),
})

test('a mail that is written in one go is the mail that the streams of nodemailer write', async () => {
  let written = 0
  let runs = 0
  await fc.assert(
    fc.asyncProperty(
      message,
      fc.option(part),
      fc.option(part),
      fc.array(attachment, { maxLength: 3 }),
      async (fields, html, plain, attachments) => {
        const [tree, streamed] = await Promise.all([1, 2].map(() => compileMessage({ ...fields, html, plain, attachments })))
        if (tree === undefined || streamed === undefined) throw new Error('there is no tree')
        const inOneGo = writeMimeTree(tree)
        runs += 1
        if (inOneGo !== null) written += 1
        const expected = (await streamed.build()).toString('latin1')
        expect((inOneGo ?? (await tree.build())).toString('latin1')).toBe(expected)
      },
    ),
    { numRuns: 60 },
  )
  expect(written).toBeGreaterThan(runs / 4)
})

const headOf = (raw: Buffer): string => raw.toString('latin1', 0, raw.indexOf('\r\n\r\n'))

test('a header composed alone has the fields of the whole mail, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(message, async (fields) => {
      const whole = splitHeaderFields(headOf(await composeMessage(fields))).filter(({ name }) => !name.startsWith('content-'))
      expect(await composeHeaderFields(fields)).toBe(whole.map((field) => `${field.text}\r\n`).join(''))
    }),
  )
})

test('header and content that are composed apart make the whole mail', async () => {
  await fc.assert(
    fc.asyncProperty(message, async (fields) => {
      const [raw, head, content] = await Promise.all([composeMessage(fields), composeHeaderFields(fields), composeContent(fields)])
      const names = (header: string): readonly string[] =>
        splitHeaderFields(header)
          .map((field) => field.name)
          .toSorted()
      expect(names(`${head}${content.contentFields}`)).toEqual(names(headOf(raw)))
      expect(raw.subarray(raw.indexOf('\r\n\r\n') + 4)).toEqual(content.body)
    }),
  )
})

test('the headers of copies that are composed one after the other are those of mails that are composed alone', async () => {
  await fc.assert(
    fc.asyncProperty(message, fc.array(message, { minLength: 1, maxLength: 4 }), fc.func(fc.boolean()), async (first, others, isOwn) => {
      const compose = createHeaderComposer()
      const copies = others.map((other) => ({
        ...first,
        ...(isOwn('to', other) ? { to: other.to } : {}),
        ...(isOwn('headers', other) ? { headers: other.headers } : {}),
        ...(isOwn('subject', other) ? { subject: other.subject, from: other.from } : {}),
        ...(isOwn('id', other) ? { messageId: other.messageId, date: other.date } : {}),
      }))
      for (const copy of [first, ...copies]) expect(await compose(copy)).toBe(await composeHeaderFields(copy))
    }),
  )
})

// A field of the sender that nodemailer replaces, drops or renames.
test.each(['From', 'to', 'SUBJECT', 'Date', 'Message-Id', 'Bcc', 'MIME-Version', 'Fr om', 'X:y', 'Überschrift', 'X-K\u212a', ''])(
  'a header with the field %j is composed as in the whole mail',
  async (name) => {
    const [sample] = fc.sample(message, { numRuns: 1, seed: 1 })
    if (sample === undefined) throw new Error('there is no sample')
    const fields = { ...sample, headers: { 'X-One': '1', [name]: 'a@example.net', 'X-Two': '2' } }
    expect(await createHeaderComposer()(fields)).toBe(await composeHeaderFields(fields))
  },
)
