/**
 * mailboxes - how far each IMAP mailbox of the settings has been read, and since when it cannot be read
 *
 * There are few rows, always read together. See also: mailbox/mailbox-readers (writes them), mailbox/mailbox-position, service/alerts/alert-measures.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, integerColumn, jsonColumn, nullableColumn, textColumn } from '../engine/mapping.ts'

export type MailboxRow = {
  /** The name in the settings. */
  readonly name: string
  /** Hash of host, user and folder: a position is good for these only. */
  readonly identity: string
  readonly uidValidity: string | null
  readonly lastUid: number
  readonly retryUids: readonly number[]
  /** The last time that the folder was read to its end; null: never. */
  readonly readAt: number | null
  /** The first of the failures in a row; null: the last attempt succeeded. */
  readonly failingSince: number | null
  /** What is wrong, for the operator; null: nothing. */
  readonly problem: string | null
}

export const MAILBOX_ROWS = createTableMapping<MailboxRow>('mailboxes', ['name'], {
  name: textColumn('name', 'none'),
  identity: textColumn('identity', 'none'),
  uidValidity: nullableColumn(textColumn('uid_validity', 'none')),
  lastUid: integerColumn('last_uid'),
  retryUids: jsonColumn<readonly number[]>('retry_uids', 'none'),
  readAt: nullableColumn(integerColumn('read_at')),
  failingSince: nullableColumn(integerColumn('failing_since')),
  problem: nullableColumn(textColumn('problem', 'none')),
})

const COLUMNS = MAILBOX_ROWS.columns('m')

/** Lists all rows by name. */
export async function listMailboxesForOperator(reader: DatabaseReader): Promise<readonly MailboxRow[]> {
  return (await reader.all(`select ${COLUMNS} from mailboxes m order by m.name`)).map(MAILBOX_ROWS.decode)
}

/** Inserts or replaces a row. */
export async function saveMailboxForOperator(db: Database, row: MailboxRow): Promise<void> {
  await db.upsertMany(MAILBOX_ROWS, [row])
}

/** Removes the rows of mailboxes that the settings name no longer. */
export async function keepMailboxesForOperator(db: Database, names: ReadonlySet<string>): Promise<void> {
  const gone = (await listMailboxesForOperator(db)).filter(({ name }) => !names.has(name))
  for (const { name } of gone) await db.run('delete from mailboxes where name = $1', [name])
}
