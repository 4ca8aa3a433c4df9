/**
 * wide-reader.test - long queries run one at a time, accounts in turn, and an account cannot queue more than a few
 */
import { expect, test } from 'vitest'
import { createWideReader, type WideReader } from '../../../src/http/services/wide-reader.ts'
import type { DatabaseReader, EngineKind } from '../../../src/store/engine/engine.ts'

/** A wide reader on a store that records what it runs, and answers when it is told to. */
function makeReader(kind: EngineKind): { readonly wide: WideReader; readonly ran: string[]; readonly answer: () => void } {
  const ran: string[] = []
  const open: (() => void)[] = []
  const readerOf = (name: string): DatabaseReader => {
    const run = async (sql: string): Promise<void> => {
      ran.push(`${sql} on ${name}`)
      await new Promise<void>((resolve) => open.push(resolve))
      if (sql === 'bad') throw new Error('bad')
    }
    return {
      kind,
      all: (sql) => run(sql).then(() => []),
      one: (sql) => run(sql).then(() => null),
      inKeys: (sql) => run(sql).then(() => []),
    }
  }
  const replica = { read: readerOf('read'), bulkRead: readerOf('bulkRead'), maxLagMillis: 0, generation: () => 0 }
  return { wide: createWideReader({ kind, replica }), ran, answer: () => open.splice(0).forEach((resolve) => resolve()) }
}

const settled = async (answer: () => void, reads: readonly Promise<unknown>[]): Promise<void> => {
  let isDone = false
  const all = Promise.allSettled(reads).then(() => (isDone = true))
  while (!isDone) {
    answer()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await all
}

test('with SQLite an account waits for one read of another, not for all of them', async () => {
  const { wide, ran, answer } = makeReader('sqlite')
  const many = [wide(1).all('a1'), wide(1).one('a2'), wide(1).inKeys('a3', { types: ['int'], rows: [[1]] })]
  const other = wide(2).all('b1')
  await settled(answer, [...many, other])
  expect(ran).toEqual(['a1 on bulkRead', 'b1 on bulkRead', 'a2 on bulkRead', 'a3 on bulkRead'])
})

test('the seventeenth read of an account is refused until one has ended, whether it failed or not', async () => {
  const { wide, answer } = makeReader('sqlite')
  const reads = Array.from({ length: 16 }, (_, n) => wide(1).all(n === 0 ? 'bad' : 'good'))
  await expect(wide(1).all('one more')).rejects.toMatchObject({ code: 'rate_limited' })
  const other = wide(2).all('other')
  await settled(answer, [...reads, other])
  expect((await Promise.allSettled([reads[0], reads[1], other])).map(({ status }) => status)).toEqual([
    'rejected',
    'fulfilled',
    'fulfilled',
  ])
  const again = wide(1).all('again')
  await settled(answer, [again])
  expect(await again).toEqual([])
})

test('with PostgreSQL every read has a connection', async () => {
  const { wide, ran, answer } = makeReader('postgres')
  const reads = Array.from({ length: 20 }, () => wide(1).all('a'))
  expect(ran).toEqual(Array.from({ length: 20 }, () => 'a on read'))
  await settled(answer, reads)
})
