/**
 * feedback-loops.test - signed reports in the shape of real loops are good signatures of their reporter, and what is added to them is not read
 *
 * The keys of the loops are not ours, so a key of the test signs with the h= that the loop uses. The samples of the corpus are signed again in the
 * same way; without the corpus they are skipped.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readReporters } from '../../src/config/reporters.ts'
import { readReportSignature, type ReportSignature } from '../../src/correlate/report-signature.ts'
import { createSignatureVerifier } from '../../src/mail-auth/signature-verifier.ts'
import { parseReport } from '../../src/mail/report-parser.ts'
import type { Report } from '../../src/mail/report.ts'
import { publishKey, signWith } from '../support/dkim-signer.ts'
import { loopReport, LOOPS } from '../support/loop-reports.ts'

const NOW = Date.UTC(2026, 10, 20, 12)
const REPORTERS = readReporters()
const MAILBOXES = ['outlook.com', 'qq.com', 'gmx.de', 'yahoo.com', '163.com', 'mail.ru'] as const
const lookUp = publishKey(['arf.mail.yahoo.com', 'senderscore.net', 'stranger.example', ...MAILBOXES])
/** Longer than any test: a busy machine must not end a look-up. */
const verifier = createSignatureVerifier(lookUp, { timeLimitMs: 60_000 })
afterAll(verifier.close)

async function check(text: string): Promise<{ readonly signature: ReportSignature; readonly read: Report | null }> {
  const raw = Buffer.from(text, 'latin1')
  const { dkim } = await verifier.verify({ raw, peer: null, helo: null, from: '' }, NOW)
  const { signature, content } = readReportSignature({ raw, from: parseReport(raw).from }, dkim, REPORTERS)
  return { signature, read: content === null ? null : parseReport(content) }
}

const REPORTED = ['Return-Path: <token@bounce.example.com>', 'CFBL-Feedback-ID: feedback-token'] as const

describe.each(Object.entries(LOOPS))('%s', (_name, { from, encoding, domain, signedFields }) => {
  const genuine = loopReport({ from, encoding, reported: REPORTED })
  const signed = signWith(genuine, domain, signedFields)

  test('counts, and its reported message is read', async () => {
    const { signature, read } = await check(signed)
    expect(signature).toMatchObject({ state: 'good', domain, reporter: expect.any(String) })
    expect(read).toMatchObject({ kind: 'complaint', originalMessage: { returnPath: 'token@bounce.example.com' } })
  })

  test.each([
    ['References', 'References: <victim@example.com>'],
    ['CFBL-Feedback-ID', 'CFBL-Feedback-ID: other-token'],
    ['X-Failed-Recipients', 'X-Failed-Recipients: victim@example.org'],
    ['Auto-Submitted', 'Auto-Submitted: auto-replied'],
    ['X-HmXmrOriginalRecipient', 'X-HmXmrOriginalRecipient: victim@example.org'],
  ])('an added %s is not read', async (field, line) => {
    const { signature, read } = await check(`${line}\r\n${signed}`)
    expect(signature.state).toBe('good')
    expect(read?.headers[field.toLowerCase()]).toBeUndefined()
    expect(read).toMatchObject({ kind: 'complaint', recipients: [] })
  })

  test.each([
    ['a second From', `From: mallory@example.net\r\n${signed}`],
    ['a second Content-Type', `Content-Type: text/plain\r\n${signed}`],
    ['a second MIME-Version', `MIME-Version: 1.0\r\n${signed}`],
    ['NUL in From', signed.replace('From: ', 'From: \0')],
    ['a part of the body as the boundary', signed.replace(/boundary="[^"]+"/, 'boundary="x"')],
    ['base64', signed.replace(/^Content-Transfer-Encoding: .*$/m, 'Content-Transfer-Encoding: base64')],
    ['a changed body', signed.replace('Buy now', 'Buy noW')],
    ['l=', signed.replace('; s=t;', '; s=t; l=10;')],
  ])('with %s the mail is not signed', async (_what, raw) => {
    const { signature, read } = await check(raw)
    expect(signature.state).not.toBe('good')
    expect(read).toBeNull()
  })

  test('a changed body under its From is a failed signature', async () => {
    expect((await check(signed.replace('Buy now', 'Buy noW'))).signature).toEqual({ state: 'failed' })
  })

  test('the same report signed by a stranger is no reporter', async () => {
    const { signature } = await check(signWith(genuine, 'stranger.example', signedFields))
    expect(signature).toEqual({ state: 'none' })
  })
})

test.each(MAILBOXES)('a mailbox at %s is no reporter, whatever it sends', async (domain) => {
  const mail = loopReport({ from: `mallory@${domain}`, reported: REPORTED })
  const { signature } = await check(signWith(mail, domain, 'Date:From:To:Subject:Content-Type:MIME-Version'))
  expect(signature).toEqual({ state: 'good', domain, reporter: null })
})

const CORPUS = join(import.meta.dirname, '../../../shared/corpus')
const SAMPLES = [
  ['arf/emails/abuseio--Yahoo_example_1.eml', 'arf.mail.yahoo.com', 'Date:From:To:Subject:From:Subject', 'Yahoo'],
  ['arf/emails/abuseio--Comcast_example_1.eml', 'senderscore.net', 'Date:Subject:To:From', 'Validity'],
] as const

describe.skipIf(!existsSync(CORPUS))('samples of the corpus', () => {
  test.each(SAMPLES)('%s counts when it is signed again', async (file, domain, signedFields, reporter) => {
    const text = readFileSync(join(CORPUS, file), 'latin1')
      .replace(/^From .*\r?\n/, '')
      .replaceAll(/\r?\n/g, '\r\n')
    const { signature, read } = await check(signWith(text.replace(/^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*/m, ''), domain, signedFields))
    expect(signature).toEqual({ state: 'good', domain, reporter })
    expect(read?.kind).toBe('complaint')
    expect(read?.originalMessage).not.toBeNull()
  })
})
