/**
 * byte-semaphore.test - made mails never take more bytes than there are, each has its turn, and small ones are not kept by large ones
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMessageBuilder, type BuiltMessage } from '../../../src/service/deliver/message-builder.ts'
import { createByteSemaphore, type ReleaseBytes } from '../../../src/service/deliver/byte-semaphore.ts'

const MOST = 100
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

test('never more than there are, but for one that is larger than all and alone; everybody comes', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 130 }), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.array(fc.nat(20), { minLength: 30, maxLength: 30 }), async (wanted, picks) => {
      const room = createByteSemaphore(MOST)
      const held: { readonly size: number; readonly release: ReleaseBytes }[] = []
      let came = 0
      for (const size of wanted) {
        void room.acquire(size).then((release) => {
          held.push({ size, release })
          came += 1
        })
      }
      for (const pick of picks) {
        await Promise.resolve()
        const sum = held.reduce((total, { size }) => total + size, 0)
        expect(sum <= MOST || held.length === 1).toBe(true)
        held.splice(pick % Math.max(1, held.length), 1)[0]?.release()
      }
      while (came < wanted.length || held.length > 0) {
        held.pop()?.release()
        await Promise.resolve()
      }
      expect(came).toBe(wanted.length)
    }),
  )
})

test('small goes past large, and nobody goes past what needs more than half', async () => {
  const room = createByteSemaphore(MOST)
  const first = await room.acquire(70)
  const came: number[] = []
  void room.acquire(40).then(() => came.push(40))
  expect(room.tryAcquire(20)).not.toBeNull()
  void room.acquire(90).then(() => came.push(90))
  expect(room.tryAcquire(1)).toBeNull()
  first()
  await settle()
  expect(came).toEqual([40])
})

test('giving back twice gives back once', async () => {
  const room = createByteSemaphore(MOST)
  const release = await room.acquire(60)
  await room.acquire(40)
  release()
  release()
  expect([room.tryAcquire(61), room.tryAcquire(60) === null]).toEqual([null, false])
})

test('sixty copies of a large mail are in memory a few at a time, and are all made', async () => {
  const size = 1_000_000
  const make = createMessageBuilder(createByteSemaphore(3 * size))
  const open: BuiltMessage[] = []
  let rendering = 0
  let sent = 0
  let most = 0
  const render = async (): Promise<BuiltMessage['message']> => {
    rendering += 1
    most = Math.max(most, rendering + open.length)
    await settle()
    rendering -= 1
    return { from: 'a@example.com', to: 'b@example.net', raw: Buffer.alloc(size) }
  }
  const all = Array.from({ length: 60 }, () => make('1/a', render).then((made) => open.push(made)))
  while (sent < all.length) {
    await settle()
    const made = open.shift()
    if (made === undefined) continue
    sent += 1
    made.releaseBytes()
  }
  await Promise.all(all)
  expect(most).toBeLessThanOrEqual(4)
})

test('what cannot be made leaves its room', async () => {
  const make = createMessageBuilder(createByteSemaphore(MOST))
  const rendered = { from: '', to: '', raw: Buffer.alloc(60) }
  const first = await make('1/a', async () => rendered)
  first.releaseBytes()
  await expect(make('1/a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  const second = await make('1/a', async () => rendered)
  expect(second.message).toBe(rendered)
})
