/**
 * log-hook - records the log records that KumoMTA sends by HTTP
 *
 * A record that is sent again changes nothing. The key of an account finds mails of that account only.
 *
 * See also: http/api/intake/kumomta-hook, mta-log/formats/kumomta, service/follow/read-lines.
 */
import type { Context } from '../context.ts'
import { type ReadCounts, readLines } from './read-lines.ts'

/** `account` null: the mails of all accounts. Faults: store_busy. */
export type RecordLogRecords = (account: number | null, records: readonly object[]) => Promise<ReadCounts>

/** Creates the service. `relays` are servers of the operator's own that only pass mail on. */
export function createRecordLogRecords(context: Context, relays: readonly string[]): RecordLogRecords {
  return async (account, records) => {
    const lines = records.map((record) => JSON.stringify(record))
    const text = { format: 'kumomta', lines, host: '', zone: 'UTC', relays, columns: [], log: null, notify: true } as const
    return (await readLines(context, { ...text, account })).counts
  }
}
