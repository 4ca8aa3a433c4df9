/**
 * forward.test - a daemon takes mail for an account's inbound domain, keeps it over a kill, sends it to the webhook, and serves it by its link
 */
import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'
import { RETURN_PATH_DOMAIN, startDaemon } from './support/daemon.ts'
import { startWebhookReceiver } from './support/receiver.ts'

test('a mail to an inbound domain survives a kill and reaches the endpoint; other domains are refused', async () => {
  const receiver = await startWebhookReceiver()
  const env = { BOUNCED_WEBHOOKS_ALLOW_PRIVATE: 'true', BOUNCED_ROUTE_DOMAINS: 'in.example.com' }
  const first = await startDaemon({ env })
  const raw = 'From: joe@example.org\r\nTo: help@in.example.com\r\nSubject: hi\r\n\r\nhello\r\n'
  const send = async (port: number, to: string, from = 'joe@example.org'): Promise<string> => {
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true })
    try {
      return (await transport.sendMail({ envelope: { from, to }, raw })).response
    } catch (error) {
      return error instanceof Error && 'response' in error ? String(error.response) : String(error)
    } finally {
      transport.close()
    }
  }
  try {
    expect(await send(first.smtpPort, 'nobody@elsewhere.example.com')).toMatch(/^550 5\.7\.1/)
    await first.api('POST', '/v1/webhooks', { url: receiver.url, events: ['route'], format: 'json' })
    expect(await send(first.smtpPort, 'Help@In.Example.com', '')).toMatch(/^250 2\.6\.0/)
    const records = async (): Promise<unknown> => (await first.api('GET', '/v1/webhooks/1/deliveries?state=heard&event=route')).body
    await expect.poll(records).toMatchObject({ deliveries: [{ attempts: [{ status: 200 }] }] })
    expect(await send(first.smtpPort, `x@${RETURN_PATH_DOMAIN}`)).toMatch(/^250/)
  } finally {
    await first.kill()
  }
  receiver.requests.length = 0
  const second = await startDaemon({ env, data: first.data })
  try {
    const lastEvent = (): { readonly body: string } | undefined => receiver.requests.findLast(({ body }) => body.includes('mx route'))
    await second.api('POST', '/v1/webhooks/1/replay', { from: '2020-01-01T00:00:00Z' })
    await expect.poll(lastEvent).toBeDefined()
    const body = JSON.parse(lastEvent()?.body ?? '{}')
    expect(body).toMatchObject({ event: 'route', text: 'hello\n', x_mx_mailfrom: '', x_mx_rcptto: 'Help@in.example.com' })
    const url = String(body.raw_message_url).replace(/^https?:\/\/[^/]+/, `http://127.0.0.1:${second.httpPort}`)
    const answer = await fetch(url)
    expect([answer.status, await answer.text()]).toEqual([200, raw])
    expect((await fetch(url.replace('signature=', 'signature=x'))).status).toBe(403)
    expect((await fetch(url.replace(/\?.*/, ''))).status).toBe(401)
    expect((await second.api('GET', '/v1/route-mails')).body).toMatchObject({ mails: [{ size: raw.length, truncated: false }], next: null })
  } finally {
    expect(await second.stop()).toBe(0)
    await receiver.close()
  }
}, 300_000)
