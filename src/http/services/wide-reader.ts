/**
 * wide-reader - reads of the API that may go through millions of rows: one at a time, and accounts in turn
 *
 * SQLite has one reader for short queries and one for scans, which these reads share with exports, retention and erasure. An account waits for at
 * most one read of each other account; a page of an export or of another scan waits for at most one. PostgreSQL has several connections and needs no turns.
 *
 * See also: net/fair-runner, http/services/messages, docs/SECURITY.md (who waits behind whom).
 */
import { Fault } from '../../errors.ts'
import { createFairRunner } from '../../net/fair-runner.ts'
import type { DatabaseReader, Engine } from '../../store/engine/engine.ts'

/** The reader of an account's wide reads. Faults: rate_limited (too many of its reads wait). */
export type WideReader = (account: number) => DatabaseReader

/** Pages from this row on are wide reads: the rows before a page are read one by one, 10,000 in up to 6 ms. */
export const MAX_SHORT_OFFSET = 10_000

/** Reads of one account that wait or run. A client that went away leaves its read behind. */
const MAX_READS = 16

/** Creates the wide reader of a store. */
export function createWideReader({ kind, replica }: Pick<Engine, 'kind' | 'replica'>): WideReader {
  return kind === 'sqlite' ? createFairReader(replica.bulkRead) : () => replica.read
}

function createFairReader(reader: DatabaseReader): WideReader {
  const runner = createFairRunner()
  const readsByAccount = new Map<number, number>()
  const run = async <T>(account: number, read: () => Promise<T>): Promise<T> => {
    const reads = readsByAccount.get(account) ?? 0
    if (reads >= MAX_READS) throw new Fault('rate_limited', `${MAX_READS} long queries of this account are not answered yet`)
    readsByAccount.set(account, reads + 1)
    try {
      return await runner.run(account, read)
    } finally {
      const left = (readsByAccount.get(account) ?? 1) - 1
      if (left === 0) readsByAccount.delete(account)
      else readsByAccount.set(account, left)
    }
  }
  return (account) => ({
    kind: reader.kind,
    all: (sql, params) => run(account, () => reader.all(sql, params)),
    one: (sql, params) => run(account, () => reader.one(sql, params)),
    inKeys: (sql, keys, params) => run(account, () => reader.inKeys(sql, keys, params)),
  })
}
