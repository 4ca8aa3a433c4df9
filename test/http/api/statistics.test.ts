/** statistics.test - `/v1/stats` is `/v1/statistics`, sign-in and parameters included */
import { expect, test } from 'vitest'
import { BASIC, makeBench } from '../bench.ts'

const { send } = await makeBench({})

test.each([
  ['', BASIC],
  ['?step=day&steps=3', BASIC],
  ['?step=week', BASIC],
  ['', null],
])('GET /v1/stats%s', async (query, auth) => {
  const [long, short] = await Promise.all(['statistics', 'stats'].map((name) => send({ method: 'GET', url: `/v1/${name}${query}`, auth })))
  const { instance: _, ...wanted } = long?.json() ?? {}
  expect(long?.statusCode).toBe(auth === null ? 401 : query.includes('week') ? 400 : 200)
  expect([short?.statusCode, short?.json()]).toEqual([long?.statusCode, expect.objectContaining(wanted)])
})
