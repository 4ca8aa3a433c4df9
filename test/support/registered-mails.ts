/**
 * registered-mails - registers mails with a daemon, and reads what became of them
 */
import type { Daemon } from './daemon.ts'
import { isRow, rowsIn, type Row } from './json-rows.ts'

type RegisteredMails = {
  /** A row for each recipient, as the response has it. */
  readonly register: (recipients: readonly string[]) => Promise<readonly Row[]>
  /** Status, sub status, whether the outcome is asynchronous, and the reason. */
  readonly statusOf: (row: Row | undefined) => Promise<unknown>
  /** The kinds of its events, in their order. */
  readonly kindsOf: (row: Row | undefined) => Promise<readonly unknown[]>
}

/** `daemon` is asked for at each call, because a test starts it later. */
export function createRegisteredMails(daemon: () => Daemon): RegisteredMails {
  const read = async (row: Row | undefined): Promise<Row> => {
    const { body } = await daemon().api('GET', `/v1/messages/${encodeURIComponent(String(row?.['emailId']))}`)
    return isRow(body) ? body : {}
  }
  return {
    register: async (recipients) =>
      rowsIn((await daemon().api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Hello', recipients })).body, 'recipients'),
    statusOf: async (row) => {
      const { status, subStatus, asynchronousBounce, reason } = await read(row)
      return [status, subStatus, asynchronousBounce, reason]
    },
    kindsOf: async (row) => rowsIn(await read(row), 'events').map(({ kind }) => kind),
  }
}
