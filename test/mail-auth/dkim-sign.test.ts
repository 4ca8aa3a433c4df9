/**
 * dkim-sign.test - mailauth verifies our signatures, and rejects them when a signed field is changed or added
 */
import fc from 'fast-check'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { beforeAll, describe, expect, test } from 'vitest'
import { canonicaliseBodyRelaxed } from '../../src/compose/canonicalisation.ts'
import { dkimRecord, generateDkimKeyPair, importDkimKey, signMail, type DkimSigner } from '../../src/mail-auth/dkim-sign.ts'

const NOW = Date.UTC(2026, 10, 20, 12)
const records = new Map<string, string>()
const signers: DkimSigner[] = []

beforeAll(async () => {
  for (const algorithm of ['rsa', 'ed25519'] as const) {
    const { publicKey, privateKey } = await generateDkimKeyPair(algorithm)
    const { name, text } = dkimRecord({ domain: 'example.com', selector: algorithm, algorithm, publicKey })
    records.set(name, text)
    signers.push({ domain: 'example.com', selector: algorithm, algorithm, key: importDkimKey(privateKey) })
  }
})

/** Serves the records of the generated keys. */
const resolver = (name: string): Promise<string[][]> => {
  const text = records.get(name)
  return text === undefined
    ? Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))
    : Promise.resolve([text.match(/.{1,255}/g) ?? []])
}

const resultsOf = async (raw: Buffer): Promise<readonly string[]> =>
  (await dkimVerify(raw, { resolver })).results.map(({ status, signingDomain }) => `${status.result} ${signingDomain ?? ''}`)

const mail = (fields: string, body = 'Hello\r\n'): Buffer => Buffer.from(`${fields.replaceAll('\n', '\r\n')}\r\n\r\n${body}`, 'latin1')
const FIELDS =
  'From: News <news@example.com>\nTo: joe@example.net\nSubject: Hi\nDate: Fri, 20 Nov 2026 12:00:00 +0000\nMessage-ID: <1@example.com>'
const PASS = ['pass example.com', 'pass example.com']

describe('a signature', () => {
  const BODIES = ['', '\r\n\r\n', 'one', 'one\r\n\r\n\r\n', '  a \t b  \r\n\r\nc ', 'a'.repeat(5_000), 'Zo\u00eb\r\n.\r\n']
  test.each(BODIES)('verifies over the body %j', async (body) =>
    expect(await resultsOf(await signMail(mail(FIELDS, body), signers, NOW))).toEqual(PASS),
  )

  test('covers the fields that identify a mail', async () => {
    const trackingFields =
      'List-Unsubscribe: <https://example.com/u/x>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nCFBL-Address: fbl@example.com; report=arf\nCFBL-Feedback-ID: x\nFeedback-ID: a:b:c:d'
    const signed = await signMail(mail(`${trackingFields}\n${FIELDS}`), signers, NOW)
    expect(await resultsOf(signed)).toEqual(PASS)
    for (const name of trackingFields.split('\n').map((line) => line.slice(0, line.indexOf(':')))) {
      const changed = Buffer.from(signed.toString('latin1').replace(new RegExp(`^${name}: `, 'm'), `${name}: changed `), 'latin1')
      expect([name, await resultsOf(changed)]).not.toEqual([name, PASS])
    }
  })

  test.each([
    'From: evil@example.org',
    'To: other@example.net',
    'Subject: Other',
    'Reply-To: evil@example.org',
    'CFBL-Address: evil@example.org',
  ])('breaks if "%s" is added in front', async (field) => {
    const signed = await signMail(mail(FIELDS), signers, NOW)
    expect(await resultsOf(Buffer.concat([Buffer.from(`${field}\r\n`), signed]))).not.toContain('pass example.com')
  })

  test('survives the fields and the folding of a relay', async () => {
    const signed = (await signMail(mail(FIELDS), signers, NOW)).toString('latin1')
    expect(await resultsOf(Buffer.from(`Received: by mx\r\n${signed.replace('To: joe', 'To:\r\n\tjoe')}`, 'latin1'))).toEqual(PASS)
  })

  test('is not made for a mail without From', async () => {
    const raw = mail('To: joe@example.net')
    expect(await signMail(raw, signers, NOW)).toBe(raw)
    expect(await signMail(mail(FIELDS), [], NOW)).toEqual(mail(FIELDS))
  })
})

test('a signature survives any folding and white space in fields and body', async () => {
  const word = fc.string({ unit: fc.constantFrom('a', ' ', '\t', ':', ';', '\u00e9'), maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(word, fc.array(word, { maxLength: 6 }), async (subject, lines) => {
      const raw = mail(`From: a@example.com\nSubject: ${subject}x\n y${subject}`, lines.join('\r\n'))
      expect(await resultsOf(await signMail(raw, signers, NOW))).toEqual(PASS)
    }),
    { numRuns: 40 },
  )
})

test('relaxed canonicalisation of a body is idempotent', () => {
  const body = fc.string({ unit: fc.constantFrom('a', ' ', '\t', '\r\n', '.'), maxLength: 60 })
  fc.assert(
    fc.property(body, (text) => {
      expect(canonicaliseBodyRelaxed(canonicaliseBodyRelaxed(text))).toBe(canonicaliseBodyRelaxed(text))
    }),
  )
})
