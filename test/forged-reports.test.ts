/**
 * forged-reports.test - a stranger at the SMTP listener, with a mailbox at a large provider, a domain of his own and genuine reports to repeat
 *
 * Nothing that he sends changes the mail of anybody else.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type App } from '../src/daemon/app.ts'
import { loadConfig } from '../src/settings/load.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { appEnvironment } from './support/app-environment.ts'
import { publishKey, signWith } from './support/dkim-signer.ts'
import { loopReport, LOOPS } from './support/loop-reports.ts'
import { ndr } from './support/reports.ts'
import { rowsIn } from './support/json-rows.ts'

const KEY = 'an api key of the test'
const LOOK_UP = publishKey(['arf.mail.yahoo.com', 'outlook.com', 'stranger.example'])
const ALL_FIELDS = 'Date:From:To:Subject:Content-Type:MIME-Version'
const data = mkdtempSync(join(tmpdir(), 'bounced-forged-'))
let app: App

beforeAll(async () => {
  const env = appEnvironment({ data, key: KEY })
  app = await startApp(loadConfig(env).settings, await createTelemetry({ level: 'silent', format: 'json' }), { lookUp: LOOK_UP })
})
afterAll(async () => {
  await app.close()
  rmSync(data, { recursive: true, force: true })
})

async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${app.httpPort}${path}`, {
    method,
    headers: { authorization: `Basic ${Buffer.from(`shop:${KEY}`).toString('base64')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return response.json()
}

async function register(recipient: string): Promise<{ emailId: string; returnPath: string; feedbackId: string; messageId: string }> {
  const mail = { from: 'news@example.com', subject: 'Hello', recipients: [recipient] }
  const [row] = rowsIn(await call('POST', '/v1/messages', mail), 'recipients')
  const textOf = (name: string): string => String(row?.[name])
  const [emailId, returnPath, feedbackId] = [textOf('emailId'), textOf('returnPath'), textOf('feedbackId')]
  return { emailId, returnPath, feedbackId, messageId: textOf('messageIdHeader').replaceAll(/[<>]/g, '') }
}

async function send(to: string, raw: string): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port: app.smtpPort, tls: { rejectUnauthorized: false } })
  await transport
    .sendMail({ envelope: { from: 'mallory@outlook.com', to: [to] }, raw: Buffer.from(raw, 'latin1') })
    .finally(() => transport.close())
}

const eventsOf = async (emailId: string): Promise<readonly unknown[]> =>
  rowsIn(await call('GET', `/v1/messages/${encodeURIComponent(emailId)}`), 'events').map((event) => event['kind'])

test('none of it changes the mail of somebody else', async () => {
  const victim = await register('victim@example.org')
  const own = await register('mallory@example.org')
  const { from, domain, signedFields } = LOOPS.yahoo
  // Key and deliveryId can be guessed from a copy of his own, the MAC cannot.
  const guess = `<${victim.messageId.slice(0, 14)}${own.messageId.slice(14)}>`
  const elsewhere = signWith(loopReport({ from, reported: ['Return-Path: <b@other.example>'] }), domain, signedFields)
  const aboutOwn = signWith(loopReport({ from, reported: [`CFBL-Feedback-ID: ${own.feedbackId}`] }), domain, signedFields)
  const mailbox = 'From: mallory@outlook.com'
  const bounce = ndr({ recipient: 'victim@example.org' }).replace(
    /^From: .*\r\n/,
    `${mailbox}\r\nDate: Fri, 20 Nov 2026 11:00:00 +0000\r\n`,
  )
  const withId = bounce.replace(
    '--b--',
    `--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: ${guess}\r\nFrom: news@example.com\r\n\r\n--b--`,
  )
  const named = [`Message-ID: ${guess}`, 'To: victim@example.org']
  const attacks: readonly (readonly [what: string, to: string, raw: string])[] = [
    ['a signed bounce of a mailbox user', 'bounces@bounce.example.com', signWith(withId, 'outlook.com', ALL_FIELDS)],
    [
      'a signed complaint of a mailbox user',
      'fbl@fbl.example.com',
      signWith(loopReport({ from: 'mallory@outlook.com', reported: named }), 'outlook.com', ALL_FIELDS),
    ],
    [
      'an opt-out',
      'fbl@fbl.example.com',
      signWith(loopReport({ from: 'mallory@outlook.com', type: 'opt-out', reported: named }), 'outlook.com', ALL_FIELDS),
    ],
    [
      'a complaint of his own domain',
      'fbl@fbl.example.com',
      signWith(loopReport({ from: 'm@stranger.example', reported: named }), 'stranger.example', ALL_FIELDS),
    ],
    ['References on a genuine report', 'fbl@fbl.example.com', `References: <${victim.messageId}>\r\n${elsewhere}`],
    ['a feedback id on a genuine report', 'fbl@fbl.example.com', `CFBL-Feedback-ID: ${own.feedbackId}\r\n${elsewhere}`],
    ['a genuine report to the address of another mail', victim.returnPath, aboutOwn],
    ['a genuine report about nothing of ours to it', victim.returnPath, elsewhere],
    ['a genuine report with another type', 'fbl@fbl.example.com', aboutOwn.replace('Feedback-Type: abuse', 'Feedback-Type: fraud')],
  ]
  for (const [, to, raw] of attacks) await send(to, raw)
  expect([await eventsOf(victim.emailId), await eventsOf(own.emailId)]).toEqual([['request'], ['request']])
  const reasons = rowsIn(await call('GET', '/v1/inbox?limit=100'), 'items').map((row) => row['reason'])
  expect(reasons).toEqual(expect.arrayContaining(['unverified', 'contradictory', 'signature-failed']))
  // The genuine report counts, for the one mail that it is about.
  await send('fbl@fbl.example.com', aboutOwn)
  expect([await eventsOf(victim.emailId), await eventsOf(own.emailId)]).toEqual([['request'], ['request', 'complaint', 'list']])
  // What he adds to it, or writes anew about his own mail, makes no second complaint.
  const again = (name: string, type: string): string =>
    loopReport({ from: `loop@${name}.example`, type, reported: [`CFBL-Feedback-ID: ${own.feedbackId}`] })
  for (const raw of [`From: loop@other.example\r\n${aboutOwn}`, again('first', 'abuse'), again('second', 'fraud')])
    await send('fbl@fbl.example.com', raw)
  expect(await eventsOf(own.emailId)).toEqual(['request', 'complaint', 'list'])
})
