/**
 * body-reader.test - what is kept of a mail, its digest, and its share of the memory budget
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createByteBudget, type ByteBudget } from '../../src/net/byte-budget.ts'
import { TRUNCATED_MAIL_BYTES } from '../../src/service/receive/incoming-mail.ts'
import { readBody } from '../../src/smtp-server/body-reader.ts'

const MAX_BYTES = 2 * TRUNCATED_MAIL_BYTES
const CHUNK_BYTES = 65_536

/** Sends `size` bytes in chunks. */
function streamOf(size: number): PassThrough {
  const stream = new PassThrough({ highWaterMark: size })
  for (let at = 0; at < size; at += CHUNK_BYTES) stream.write(Buffer.alloc(Math.min(CHUNK_BYTES, size - at), 'x'))
  stream.end()
  return stream
}

const read = (stream: PassThrough, budget: ByteBudget, now: () => number = () => 0, onAborted: () => void = () => undefined) =>
  readBody(stream, { maxBytes: MAX_BYTES, budget, now, onAborted })

const sizes = [
  // bytes         kept
  [0, 0],
  [1, 1],
  [CHUNK_BYTES + 1, CHUNK_BYTES + 1],
  [MAX_BYTES, MAX_BYTES],
  [MAX_BYTES + 1, TRUNCATED_MAIL_BYTES],
  [3 * MAX_BYTES, TRUNCATED_MAIL_BYTES],
] as const
test.each(sizes)('of %d bytes %d are kept; the digest covers all', async (size, kept) => {
  const budget = createByteBudget(100 * MAX_BYTES)
  const received = await read(streamOf(size), budget)
  const dataDigest = createHash('sha256').update('x'.repeat(size)).digest('hex')
  expect(received?.body).toMatchObject({ size, truncated: kept < size, dataDigest })
  expect(received?.body.raw.length).toBe(kept)
  expect(budget.usedBytes()).toBeGreaterThanOrEqual(kept)
  received?.release()
  expect(budget.usedBytes()).toBe(0)
})

test('a peer that disconnects leaves nothing in the budget', async () => {
  const budget = createByteBudget(MAX_BYTES)
  const stream = new PassThrough()
  const reading = read(stream, budget)
  stream.write('half a mail')
  await expect.poll(() => budget.usedBytes()).toBeGreaterThan(0)
  stream.destroy()
  expect(await reading).toBeNull()
  expect(budget.usedBytes()).toBe(0)
})

test('a body that the budget ends is null and reports it', async () => {
  const budget = createByteBudget(1_000)
  const stream = new PassThrough()
  const aborted = Promise.withResolvers<string>()
  const reading = read(stream, budget, undefined, () => aborted.resolve('aborted'))
  stream.write(Buffer.alloc(2_000))
  expect(await aborted.promise).toBe('aborted')
  expect(await reading).toBeNull()
  expect(budget.usedBytes()).toBe(0)
})

test('a mail over the limit that still arrives does not count as stalled', async () => {
  const limitBytes = 4 * MAX_BYTES
  const budget = createByteBudget(limitBytes)
  const aborted: string[] = []
  let now = 0
  const stream = new PassThrough({ highWaterMark: 2 * MAX_BYTES })
  const reading = read(
    stream,
    budget,
    () => now,
    () => aborted.push('large'),
  )
  stream.write(Buffer.alloc(MAX_BYTES))
  stream.write(Buffer.alloc(CHUNK_BYTES))
  await expect.poll(() => budget.usedBytes()).toBeLessThan(2 * TRUNCATED_MAIL_BYTES)
  const stalled = budget.open(() => aborted.push('stalled'), now)
  budget.addBytes(stalled, 1_000, now)

  now = 2_000
  const discarded = once(stream, 'data')
  stream.write('a further chunk')
  await discarded
  const other = budget.open(() => aborted.push('other'), now)
  budget.addBytes(other, limitBytes - budget.usedBytes() + 500, now)
  expect(aborted).toEqual(['stalled'])
  stream.end()
  expect((await reading)?.body.truncated).toBe(true)
})
