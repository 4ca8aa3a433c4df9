/**
 * mailpit.test - Mailpit as a smart host, and its chaos mode
 *
 * Runs when MAILPIT_URL names its HTTP API; MAILPIT_SMTP is host:port of its SMTP port (default: the same host, port 1025). Chaos is tested if
 * the server was started with --enable-chaos.
 */
import { MailpitClient } from 'mailpit-api'
import { afterAll, describe, expect, test } from 'vitest'
import { createSmarthostRouter } from '../../src/smtp-client/routing.ts'
import { createSmtpTransport } from '../../src/smtp-client/smtp-transport.ts'
import type { SmtpOutcome } from '../../src/smtp-client/transport.ts'

const url = process.env['MAILPIT_URL'] ?? ''
const baseUrl = url === '' ? 'http://127.0.0.1:8025' : url

// The body of a skipped group runs too, so the URL must be valid.
describe.skipIf(url === '')('mailpit', () => {
  const mailpit = new MailpitClient(baseUrl)
  const [host = '', port = '1025'] = (process.env['MAILPIT_SMTP'] ?? new URL(baseUrl).hostname).split(':')
  const transport = createSmtpTransport({
    router: createSmarthostRouter({ host, port: Number(port), login: null, tls: 'opportunistic', implicitTls: false }),
    addressesOf: () => Promise.resolve({ kind: 'none' }),
    ehloName: 'out.example.com',
    allowPrivate: true,
  })
  afterAll(transport.close)

  const send = async (subject: string): Promise<string> => {
    const raw = Buffer.from(`From: a@example.com\r\nTo: ann@example.com\r\nSubject: ${subject}\r\n\r\nhello\r\n`)
    const outcome: SmtpOutcome = await transport.send({
      egressIp: '',
      domain: 'example.com',
      mailFrom: 'b@bounce.example.com',
      to: 'ann@example.com',
      raw,
      isProbe: true,
    })
    return outcome.kind === 'reply' ? `${outcome.code} ${outcome.phase}` : outcome.error
  }

  test('a message that was sent arrives', async () => {
    const subject = `bounced ${process.pid} ${Date.now()}`
    expect(await send(subject)).toBe('250 end')
    const { messages } = await mailpit.searchMessages({ query: `subject:"${subject}"` })
    expect(messages.map((each) => each.To[0]?.Address)).toEqual(['ann@example.com'])
  })

  test.each([
    ['Sender', 451, '451 mail'],
    ['Recipient', 550, '550 rcpt'],
  ] as const)('chaos: %s answers %d', async (trigger, code, want) => {
    const triggers = await mailpit.getChaosTriggers().catch(() => null)
    if (triggers === null) return
    await mailpit.setChaosTriggers({ ...triggers, [trigger]: { ErrorCode: code, Probability: 100 } })
    try {
      expect(await send('chaos')).toBe(want)
    } finally {
      await mailpit.setChaosTriggers(triggers)
    }
  })
})
