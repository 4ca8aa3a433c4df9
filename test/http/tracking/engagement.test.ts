/**
 * engagement.test - the open image and the click redirect over HTTP
 */
import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { makeBench } from '../bench.ts'

const GOOD = 'a'.repeat(30)
const BAD = 'b'.repeat(30)
const CLICK = `/c/${GOOD}/mac/target`

describe('the image', () => {
  test.each([`/o/${GOOD}.gif`, `/o/${BAD}.gif`, '/o/x', `/o/${encodeURIComponent('<script>')}`])(
    'is the same for every link: %s',
    async (url) => {
      const response = await (await makeBench()).server.inject({ method: 'GET', url })
      expect(response.statusCode).toBe(200)
      expect(response.headers).toMatchObject({ 'content-type': 'image/gif', 'content-length': '43' })
      expect(response.headers['cache-control']).toContain('no-store')
      expect(response.headers).not.toHaveProperty('set-cookie')
      expect(response.headers).not.toHaveProperty('etag')
      expect(response.rawPayload.subarray(0, 6).toString('latin1')).toBe('GIF89a')
      expect(response.rawPayload.readUInt16LE(6) * response.rawPayload.readUInt16LE(8)).toBe(1)
    },
  )

  test('a store that does not answer gives no image, so that the mail program asks again', async () => {
    const { server } = await makeBench({ trackingLinks: { open: () => Promise.reject(new Fault('store_busy', 'gone')) } })
    const response = await server.inject({ method: 'GET', url: `/o/${GOOD}.gif` })
    expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '60'])
  })
})

describe('the redirect', () => {
  test.each(['GET', 'HEAD'] as const)('%s leads to the signed target and nowhere else', async (method) => {
    const { server } = await makeBench()
    const response = await server.inject({ method, url: `${CLICK}?url=https://evil.example`, headers: { referer: 'https://evil.example' } })
    expect([response.statusCode, response.headers.location]).toEqual([302, 'https://shop.example/sale?a=1&b=2'])
    expect(response.headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' })
    expect(response.headers).not.toHaveProperty('set-cookie')
  })

  test('a link that is not ours is a page in the language of the reader, never a redirect', async () => {
    const { server } = await makeBench()
    const response = await server.inject({ method: 'GET', url: `/c/${BAD}/mac/target`, headers: { 'accept-language': 'de' } })
    expect([response.statusCode, response.headers.location]).toEqual([400, undefined])
    expect(response.body).toContain('Dieser Link funktioniert nicht')
  })

  test.each(['POST', 'PUT', 'DELETE'] as const)('%s is not supported', async (method) => {
    const { server, calls } = await makeBench()
    expect([(await server.inject({ method, url: CLICK })).statusCode, calls]).toEqual([405, []])
  })
})

test('a request passes on who asks, within bounds', async () => {
  const { server, calls } = await makeBench()
  const headers = { 'user-agent': 'x'.repeat(5_000), 'sec-purpose': `prefetch;${'y'.repeat(500)}`, purpose: 'other' }
  await server.inject({ method: 'HEAD', url: CLICK, headers, remoteAddress: '192.0.2.9' })
  await server.inject({ method: 'GET', url: `/o/${GOOD}.gif`, headers: { 'x-moz': 'prefetch' }, remoteAddress: '192.0.2.9' })
  const [click, open] = calls.map(({ args }) => args[1])
  expect(click).toMatchObject({ ip: '192.0.2.9', method: 'HEAD', userAgent: 'x'.repeat(512), purpose: `prefetch;${'y'.repeat(55)}` })
  expect(open).toMatchObject({ method: 'GET', purpose: 'prefetch' })
})
