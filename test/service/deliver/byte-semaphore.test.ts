/**
 * byte-semaphore.test - built messages never exceed the capacity, every request is served, and large ones do not delay small ones
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMessageBuilder, type BuiltMessage } from '../../../src/service/deliver/message-builder.ts'
import { createByteSemaphore, type ReleaseBytes } from '../../../src/service/deliver/byte-semaphore.ts'

const CAPACITY = 100
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

test('the capacity holds, except for a single larger request; every request is served', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 130 }), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.array(fc.nat(20), { minLength: 30, maxLength: 30 }), async (wanted, picks) => {
      const semaphore = createByteSemaphore(CAPACITY)
      const held: { readonly size: number; readonly release: ReleaseBytes }[] = []
      let granted = 0
      for (const size of wanted) {
        void semaphore.acquire(size, 1).then((release) => {
          held.push({ size, release })
          granted += 1
        })
      }
      for (const pick of picks) {
        await Promise.resolve()
        const sum = held.reduce((total, { size }) => total + size, 0)
        expect(sum <= CAPACITY || held.length === 1).toBe(true)
        held.splice(pick % Math.max(1, held.length), 1)[0]?.release()
      }
      while (granted < wanted.length || held.length > 0) {
        held.pop()?.release()
        await Promise.resolve()
      }
      expect(granted).toBe(wanted.length)
    }),
  )
})

test('small requests overtake large ones, but not those for more than half of the capacity', async () => {
  const semaphore = createByteSemaphore(CAPACITY)
  const first = await semaphore.acquire(70, 1)
  const granted: number[] = []
  void semaphore.acquire(40, 1).then(() => granted.push(40))
  expect(semaphore.tryAcquire(20)).not.toBeNull()
  void semaphore.acquire(90, 1).then(() => granted.push(90))
  expect(semaphore.tryAcquire(1)).toBeNull()
  first()
  await settle()
  expect(granted).toEqual([40])
})

test('requests of one account delay the request of another by one', async () => {
  const semaphore = createByteSemaphore(CAPACITY)
  let open = await semaphore.acquire(CAPACITY, 1)
  const granted: string[] = []
  const ask = (name: string, account: number): void => {
    void semaphore.acquire(50, account).then((release) => {
      granted.push(name)
      open = release
    })
  }
  void semaphore.acquire(50, 9).then(() => granted.push('held'))
  for (let n = 0; n < 10; n++) ask(`a${n}`, 1)
  ask('b', 2)
  ask('c', 3)
  open()
  for (let served = 1; served < 6; served++) {
    await settle()
    open()
  }
  await settle()
  expect(granted).toEqual(['held', 'a0', 'b', 'c', 'a1', 'a2', 'a3'])
})

test('releasing is idempotent', async () => {
  const semaphore = createByteSemaphore(CAPACITY)
  const release = await semaphore.acquire(60, 1)
  await semaphore.acquire(40, 1)
  release()
  release()
  expect([semaphore.tryAcquire(61), semaphore.tryAcquire(60) === null]).toEqual([null, false])
})

test('sixty copies of a large message are built a few at a time', async () => {
  const size = 1_000_000
  const build = createMessageBuilder(createByteSemaphore(3 * size))
  const open: BuiltMessage[] = []
  let rendering = 0
  let sent = 0
  let maxOpen = 0
  const render = async (): Promise<BuiltMessage['message']> => {
    rendering += 1
    maxOpen = Math.max(maxOpen, rendering + open.length)
    await settle()
    rendering -= 1
    return { from: 'a@example.com', to: 'b@example.net', raw: Buffer.alloc(size) }
  }
  const all = Array.from({ length: 60 }, () => build({ account: 1, bodyId: 'a' }, render).then((built) => open.push(built)))
  while (sent < all.length) {
    await settle()
    const built = open.shift()
    if (built === undefined) continue
    sent += 1
    built.releaseBytes()
  }
  await Promise.all(all)
  expect(maxOpen).toBeLessThanOrEqual(4)
})

test('a message that cannot be built releases its bytes', async () => {
  const build = createMessageBuilder(createByteSemaphore(CAPACITY))
  const rendered = { from: '', to: '', raw: Buffer.alloc(60) }
  const first = await build({ account: 1, bodyId: 'a' }, async () => rendered)
  first.releaseBytes()
  await expect(build({ account: 1, bodyId: 'a' }, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  const second = await build({ account: 1, bodyId: 'a' }, async () => rendered)
  expect(second.message).toBe(rendered)
})

test('large messages of one account delay the first message of another by one', async () => {
  const build = createMessageBuilder(createByteSemaphore(1_000_000))
  const order: string[] = []
  const renderAs = (name: string) => async (): Promise<BuiltMessage['message']> => {
    await settle()
    order.push(name)
    return { from: '', to: '', raw: Buffer.alloc(10) }
  }
  const many = Array.from({ length: 20 }, (_, n) => build({ account: 1, bodyId: `a${n}` }, renderAs(`a${n}`)))
  await build({ account: 2, bodyId: 'b' }, renderAs('b'))
  expect(order.indexOf('b')).toBe(1)
  await Promise.all(many)
})
