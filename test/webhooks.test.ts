/**
 * webhooks.test - a daemon sends events to a receiver: endpoints added by SendCloud's API, retries after a kill, private targets refused
 */
import { expect, test } from 'vitest'
import { API_KEY, API_USER, startDaemon } from './support/daemon.ts'
import { respondWith, startWebhookReceiver } from './support/receiver.ts'

const MAIL = { from: 'news@example.com', subject: 'Hello', recipients: ['joe@example.org'] }
const KEY = `apiUser=${API_USER}&apiKey=${API_KEY}`

test('an endpoint is checked, added and served; an event without a response is sent again after a kill', async () => {
  const receiver = await startWebhookReceiver()
  const env = { BOUNCED_WEBHOOKS_ALLOW_PRIVATE: 'true' }
  const first = await startDaemon({ env })
  try {
    const add = `/api/webhook/add?${KEY}&event=18,4&url=${encodeURIComponent(receiver.url)}`
    expect((await first.api('GET', add)).body).toMatchObject({ statusCode: 200, info: { data: { event: '18,4', webhookId: 1 } } })
    expect(receiver.requests.map(({ method }) => method)).toEqual(['GET', 'POST'])
    receiver.respond = () => undefined
    expect((await first.api('POST', '/v1/messages', MAIL)).status).toBe(201)
    await expect.poll(() => receiver.requests.length).toBe(3)
    await expect
      .poll(async () => (await first.api('GET', '/v1/webhooks/1/outbox')).body)
      .toMatchObject({ events: [{ state: 'waiting', attempts: 1, error: 'no response in time' }] })
  } finally {
    await first.kill()
  }
  receiver.respond = respondWith(200)
  const second = await startDaemon({ env, data: first.data })
  try {
    expect((await second.api('POST', '/v1/messages', MAIL)).status).toBe(201)
    await expect.poll(() => receiver.requests.length).toBe(5)
    const ids = receiver.requests.slice(2).map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(2)
    await expect.poll(async () => (await second.api('GET', '/v1/webhooks/1/outbox')).body).toEqual({ events: [] })
    const tested = await second.api('POST', '/v1/webhooks/1/test')
    expect(tested.body).toMatchObject({ status: 200 })
    expect(new URLSearchParams(receiver.requests.at(-1)?.body).get('alarm')).toBe('test')
    await expect
      .poll(async () => (await second.api('GET', '/v1/webhooks/1/health')).body)
      .toMatchObject({ accepted: 2, refused: 1, waiting: 0, oldestWaitingAt: null })
    expect((await second.api('POST', '/v1/webhooks/9/test')).status).toBe(404)
  } finally {
    expect(await second.stop()).toBe(0)
  }
  const third = await startDaemon()
  try {
    const refused = await third.api('GET', `/api/webhook/add?${KEY}&event=18&url=${encodeURIComponent(receiver.url)}`)
    expect(refused.body).toMatchObject({ statusCode: 40707 })
    expect((await third.api('POST', '/v1/webhooks', { url: receiver.url })).status).toBe(400)
    expect(receiver.requests).toHaveLength(6)
  } finally {
    await third.stop()
    await receiver.close()
  }
}, 300_000)
