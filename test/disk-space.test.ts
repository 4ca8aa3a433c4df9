/**
 * disk-space.test - below the floor of free disk space every door refuses for a time, and what is running goes on
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { API_KEY, API_USER, startDaemon, type Daemon } from './support/daemon.ts'
import { closeAll, openConversation } from './support/smtp-listener.ts'

const SUBMISSION_PORT = /submission=(?:\S*:)?(\d+)/

describe('a daemon below the floor', () => {
  let daemon: Daemon
  beforeAll(async () => {
    // A floor that no disk reaches.
    daemon = await startDaemon({ env: { BOUNCED_LIMITS_FREE_DISK_BYTES: '9000000000000000', BOUNCED_SUBMISSION_PORT: '0' } })
  })
  afterAll(async () => {
    await closeAll()
    await daemon.stop()
  })

  test('refuses reports and submissions with 452 4.3.1, and says which limit it is', async () => {
    const report = await openConversation(daemon.smtpPort)
    await report.send('EHLO mx.example.net')
    expect(await report.send('MAIL FROM:<>')).toMatch(/^452 4\.3\.1 .*limits\.freeDiskBytes/)
    const submission = await openConversation(Number(SUBMISSION_PORT.exec(daemon.output())?.[1]))
    await submission.send('EHLO client.example.org')
    expect(await submission.send(`AUTH PLAIN ${Buffer.from(`\0${API_USER}\0${API_KEY}`).toString('base64')}`)).toMatch(/^235 /)
    expect(await submission.send('MAIL FROM:<news@example.com>')).toMatch(/^452 4\.3\.1 .*limits\.freeDiskBytes/)
  })

  const intake = [
    ['POST', '/v1/messages', { from: 'news@example.com', recipients: ['joe@example.org'] }],
    ['POST', '/v1/exports', { kind: 'status', since: '2026-11-01T00:00:00Z', until: '2026-11-02T00:00:00Z' }],
  ] as const
  test.each(intake)('refuses %s %s with 507', async (method, path, body) => {
    expect(await daemon.api(method, path, body)).toMatchObject({
      status: 507,
      body: { code: 'insufficient_storage', detail: expect.stringContaining('limits.freeDiskBytes') },
    })
  })

  test('tells a client of SendCloud the reason', async () => {
    const form = { apiUser: API_USER, apiKey: API_KEY, from: 'news@example.com', to: 'joe@example.org', subject: 'Hi', plain: 'Hello' }
    const response = await fetch(`http://127.0.0.1:${daemon.httpPort}/apiv2/mail/send`, { method: 'POST', body: new URLSearchParams(form) })
    expect([response.status, await response.json()]).toEqual([
      200,
      { result: false, statusCode: 501, message: expect.stringContaining('limits.freeDiskBytes'), info: {} },
    ])
  })

  test('still takes outcomes and answers questions', async () => {
    // No message could be registered, so the outcome finds none: it is looked up, not refused.
    const attempt = { emailId: 'none$joe@example.org', code: 550, text: 'unknown' }
    expect((await daemon.api('POST', '/v1/attempts', attempt)).status).toBe(404)
    expect((await daemon.api('GET', '/v1/suppressions/bounce')).status).toBe(200)
    const metrics = await (await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)).text()
    expect(metrics).toMatch(/^bounced_smtp_refused_total\{reason="disk"\} [12]$/m)
    expect(Number(/^bounced_disk_free_bytes (\S+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0)
    expect(daemon.output()).toContain('free disk space is below limits.freeDiskBytes')
  })
})
