/**
 * composer.test - the header of a mail alone is the header that the whole mail has
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitHeaderFields } from '../../src/compose/header-line.ts'
import { createHeaderComposer } from '../../src/mail-auth/header-composer.ts'
import { composeContent, composeHeaderFields, composeMessage, type MessageFields } from '../../src/mail-auth/composer.ts'

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
