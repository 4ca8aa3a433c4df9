/**
 * originator.test - attacks on the sender check: fields that two mail programs read differently, and names that show a foreign address
 */
import fc from 'fast-check'
import libmime from 'libmime'
import { simpleParser } from 'mailparser'
import addressparser from 'nodemailer/lib/addressparser'
import { describe, expect, test } from 'vitest'
import { readOriginator, withoutAddress } from '../../src/compose/originator.ts'
import { rewriteMail } from '../../src/compose/rewrite-mime.ts'
import { extractAddresses, parseBareAddress } from '../../src/mail/mime/address.ts'
import { getHeaders, getRawHeader } from '../../src/mail/mime/header.ts'
import { parseMime } from '../../src/mail/mime/mime.ts'
import { parseSubmittedMessage } from '../../src/service/submit/submitted-message.ts'
import { propertyRuns } from '../support/property-runs.ts'

const OWN = 'own.example'
const isOwn = (domain: string): boolean => domain === OWN || domain.endsWith(`.${OWN}`)

const read = (header: string) =>
  parseSubmittedMessage(Buffer.from(`${header.replaceAll('\n', '\r\n')}\r\n\r\nbody`), { recipients: ['joe@example.net'], labelId: null })

/** What submission answers an account that may send from own.example only. */
const answerTo = (header: string): string => {
  const message = read(header)
  if (!message.ok) return message.refusal
  return [message.submission.body.from.split('@')[1] ?? '', ...message.submission.originatorDomains].every(isOwn) ? 'accepted' : 'foreign'
}

describe('the sender check', () => {
  test.each([
    // header                                                         answer
    ['From: a@own.example', 'accepted'],
    ['From: <a@own.example>', 'accepted'],
    ['From: Ann B. Cole <a@own.example>', 'accepted'],
    ['From: "Cole, Ann (Sales)" <a@own.example>', 'accepted'],
    ['From: Ann (Sales) <a@own.example>', 'accepted'],
    ['From: [News] Own <a@own.example>', 'accepted'],
    ['From: a@own.example (Ann)', 'accepted'],
    ['From: "a@own.example" <a@own.example>', 'accepted'],
    ['From: "@own" <a@own.example>', 'accepted'],
    ['From: =?utf-8?q?Zo=C3=AB?= <a@news.own.example>', 'accepted'],
    ['From: =?gb2312?B?1tDOxA==?= <a@own.example>', 'accepted'],
    ['From: "Zoë, B" <a@own.example>', 'accepted'],
    ['From:\n Ann\n\t<a@own.example>', 'accepted'],
    ['From: a@own.example\nSender: b@own.example\nResent-From: c@own.example\nReply-To: x@bank.example', 'accepted'],
    ['From: a@bank.example', 'foreign'],
    ['From: a@own.example\nSender: b@bank.example', 'foreign'],
    ['From: a@own.example\nsender : b@bank.example', 'foreign'],
    ['From: a@own.example\nResent-From: b@bank.example', 'foreign'],
    ['From: a@own.example\nResent-Sender:\n b@bank.example', 'foreign'],
    ['From: a@own.example\nResent-From: a@own.example\nResent-From: b@bank.example', 'foreign'],
    ['From: "b@bank.example" <a@own.example>', 'foreign'],
    ['From: b@bank.example <a@own.example>', 'foreign'],
    ['From: =?utf-8?q?b=40bank.example?= <a@own.example>', 'foreign'],
    ['From: =?utf-8?q?b?= =?utf-8?b?QGJhbmsuZXhhbXBsZQ==?= <a@own.example>', 'foreign'],
    ['From: "=?utf-8?q?=3Cb=40bank.example=3E?=" <a@own.example>', 'foreign'],
    ['From: a@own.example (b@bank.example)', 'foreign'],
    ['From: a@own.example\nFrom: b@bank.example', 'noSender'],
    ['From: a@own.example\nFROM : b@bank.example', 'noSender'],
    ['X-From: a@own.example', 'noSender'],
    [' From: a@own.example', 'noSender'],
    ['From: a@own.example\nSender: a@own.example\nSender: b@bank.example', 'ambiguousSender'],
    ['From: b@bank.example, a@own.example', 'ambiguousSender'],
    ['From: <b@bank.example> <a@own.example>', 'ambiguousSender'],
    ['From: b@bank.example(<a@own.example>)', 'ambiguousSender'],
    ['From: b@bank.example (x <a@own.example>)', 'ambiguousSender'],
    ['From: b(<a@own.example>)@bank.example', 'ambiguousSender'],
    ['From: a@own.example(\\)b@bank.example', 'ambiguousSender'],
    ['From: b@bank.example\0<a@own.example>', 'ambiguousSender'],
    ['From: <b@bank.example\0@own.example>', 'ambiguousSender'],
    ['From: <b@bank.example>\x0b<a@own.example>', 'ambiguousSender'],
    ['From: own.example: b@bank.example;', 'ambiguousSender'],
    ['From: "b@bank.example"@own.example', 'ambiguousSender'],
    ['From: "b@bank.example> <x"@own.example', 'ambiguousSender'],
    ['From: <@own.example:b@bank.example>', 'ambiguousSender'],
    ['From: <b@bank.example@own.example>', 'ambiguousSender'],
    ['From: <=?utf-8?q?b=40bank.example=3E?=@own.example>', 'ambiguousSender'],
    ['From: =?utf-8?q?b=40bank.example=3E?= =?x?= <a@own.example>', 'ambiguousSender'],
    ['From: =?utf-7?q?b+AEA-bank.example?= <a@own.example>', 'ambiguousSender'],
    ['From: =?utf-8?q?x=0D=0AFrom:_b=40bank.example?= <a@own.example>', 'ambiguousSender'],
    ['From: =?utf-8?q?b=40bank=2Eexample=00?= <a@own.example>', 'ambiguousSender'],
    ['From: =?utf-8?q?=22?= <a@own.example>', 'ambiguousSender'],
    ['From: =?utf-8?q?=5C=22Ann=22?= <a@own.example>', 'ambiguousSender'],
    ['From: =?utf-8?q?=22Smith=2C_Ann=22?= <a@own.example>', 'accepted'],
    ["From: é'@own.examplex <a@own.example>", 'ambiguousSender'],
    ["From: x'@bank.example <a@own.example>", 'foreign'],
    ["From: 'a@own.example' <a@own.example>", 'accepted'],
    ["From: Pat O'Neil <a@own.example>", 'accepted'],
    ['From: a@own.example".bank.example" <a@own.example>', 'foreign'],
    ['From: @"＠;" <a@own.example>', 'ambiguousSender'],
    ['From: ＠name <a@own.example>', 'accepted'],
    ['From: a@[192.0.2.1]', 'ambiguousSender'],
    ['From: a@own.example.', 'ambiguousSender'],
    ['From: a@own．example@bank.example', 'ambiguousSender'],
    ['From: a@own.example＠bank.example', 'ambiguousSender'],
    [`From: ${'('.repeat(5_000)}a@own.example`, 'ambiguousSender'],
    [`From: ${'"'.repeat(1_999)}`, 'ambiguousSender'],
    ['From:', 'ambiguousSender'],
  ])('%j: %s', (header, want) => expect(answerTo(header)).toBe(want))

  test('octets that are not UTF-8 are refused', () => {
    const raw = Buffer.from('From: "\xe9" <a@own.example>\r\n\r\nx', 'latin1')
    expect(parseSubmittedMessage(raw, { recipients: [], labelId: null })).toEqual({ ok: false, refusal: 'ambiguousSender' })
  })
})

test.each([
  // value                                    display name     address
  ['"Ann \\"B\\"" <ann@Example.com>', 'Ann "B"', 'ann@example.com'],
  ['=?utf-8?q?Zo=C3=AB?= B <z@example.com>', 'Zoë B', 'z@example.com'],
  ['ann@müller.example (Ann)', '', 'ann@xn--mller-kva.example'],
])('readOriginator %j', (value, displayName, address) => expect(readOriginator(value)).toMatchObject({ displayName, address }))

test.each([
  ['Ann', 'Ann'],
  ['b@bank.example', ''],
  ['=?utf-8?q?b=40bank.example?=', ''],
])('a substituted name %j is shown as %j', (name, want) => expect(withoutAddress(name)).toBe(want))

/** The mail as recipients get it. */
function sentMail(header: string, substitute: ((text: string) => string) | null): Buffer | null {
  return rewriteMail(Buffer.from(`${header}\r\n\r\nbody`), { fields: {}, droppedFields: [], defaultFields: {}, substitute })
}

const FIELDS = ['from', 'sender', 'resent-from', 'resent-sender']

type ParsedAddress = { readonly address?: string | undefined; readonly group?: readonly ParsedAddress[] | undefined }
const flatten = (list: readonly ParsedAddress[]): readonly string[] =>
  list.flatMap(({ address, group }) => [...(address === undefined ? [] : [address]), ...flatten(group ?? [])])

/** Every address that nodemailer's parser, libmime, mailparser and our own readers see in the originator fields. */
async function addressesSeen(raw: Buffer): Promise<readonly string[]> {
  const { headers } = parseMime(raw).root
  const ours = FIELDS.flatMap((name) =>
    [getRawHeader(headers, name) ?? '', ...getHeaders(headers, name)].flatMap((value) => [
      parseBareAddress(value) ?? '',
      ...extractAddresses(value).map(({ address }) => address),
      ...flatten(addressparser(value)),
    ]),
  )
  const decoded = libmime.decodeHeaders(raw.toString('utf8').split('\r\n\r\n')[0] ?? '')
  const theirs = FIELDS.flatMap((name) => [decoded[name] ?? []].flat()).flatMap((value) => [
    ...flatten(addressparser(value)),
    ...flatten(addressparser(libmime.decodeWords(value))),
  ])
  const { from } = await simpleParser(raw)
  return [...ours, ...theirs, ...flatten(from?.value ?? [])].filter((address) => address.includes('@'))
}

describe('whatever header is accepted', () => {
  const words =
    'a@own.example b@bank.example <a@own.example> <b@bank.example> < > " ( ) , ; : \\ @ . %name% é ＠ =?utf-8?q? ?= =40 =3C =3E =22 =2C x [ ] \' Ann'
  const encoded = '=?utf-8?q?b=40bank.example?= =?utf-8?b?QA==?= =?utf-7?q?+AEA-?= =? bank.example own.example'
  const piece = fc.constantFrom(' ', '\r\n ', '\t', '\0', '\u00a0', ...words.split(' '), ...encoded.split(' '))
  const value = fc.oneof(
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 6 }).map((pieces) => `${pieces.join('')} <a@own.example>`),
    fc.array(piece, { maxLength: 4 }).map((pieces) => `a@own.example ${pieces.join('')}`),
  )
  const field = fc.tuple(fc.constantFrom('From', 'Sender', 'Resent-From', 'FROM ', 'X-A'), value).map(([name, text]) => `${name}: ${text}`)
  const header = fc.tuple(value, fc.array(field, { maxLength: 2 })).map(([from, more]) => [`From: ${from}`, ...more].join('\r\n'))
  const substitute = fc.constantFrom(
    null,
    '',
    'Ann',
    'b@bank.example',
    '<b@bank.example>',
    '=?utf-8?q?b=40bank.example?=',
    '",b@bank.example',
  )

  test('every reader of the sent mail sees own domains only', async () => {
    await fc.assert(
      fc.asyncProperty(header, substitute, async (text, variable) => {
        fc.pre(answerTo(text) === 'accepted')
        const raw = sentMail(text, variable === null ? null : (part) => part.replaceAll('%name%', variable))
        const seen = raw === null ? [] : await addressesSeen(raw)
        expect(seen.filter((address) => !isOwn(address.slice(address.lastIndexOf('@') + 1).toLowerCase()))).toEqual([])
      }),
      { numRuns: propertyRuns(500, 20_000) },
    )
  })
})
