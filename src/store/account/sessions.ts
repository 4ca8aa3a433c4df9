/**
 * sessions - who is signed in to the console
 *
 * The session's id is in the cookie only; the table has its SHA-256. A row also keeps a digest of what the sign-in was proven with (the stored
 * password, the API key): when that changes, the session is no longer good.
 *
 * See also: service/users/sessions.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, hexColumn, hexToBytes, integerColumn, textColumn, textEnumColumn } from '../engine/mapping.ts'

/** `user`: a user of the console. `account`: an API user, with the key of the account. */
export type SessionKind = 'user' | 'account'

type SessionRow = {
  readonly sessionHash: string
  readonly kind: SessionKind
  /** The name of the user, or the API user. */
  readonly name: string
  readonly proofHash: string
  readonly createdAt: number
  readonly usedAt: number
}

export const SESSIONS = createTableMapping<SessionRow>('sessions', ['session_hash'], {
  sessionHash: hexColumn('session_hash'),
  kind: textEnumColumn<SessionKind>('kind'),
  name: textColumn('name', 'none'),
  proofHash: hexColumn('proof_hash'),
  createdAt: integerColumn('created_at'),
  usedAt: integerColumn('used_at'),
})

/** Sessions of one name; the one that was used longest ago ends when there are more. */
const MAX_SESSIONS = 20

/** Adds a session. Removes those of all names that have ended, and the oldest of this name above the limit. */
export async function addSessionForOperator(
  db: Database,
  session: SessionRow,
  ends: { readonly createdBefore: number; readonly usedBefore: number },
): Promise<void> {
  const { kind, name } = session
  await db.run('delete from sessions where created_at < $1 or used_at < $2', [ends.createdBefore, ends.usedBefore])
  await db.run(
    `delete from sessions where session_hash in (
       select s.session_hash from sessions s where s.kind = $1 and s.name = $2 order by s.used_at desc limit 1000 offset $3)`,
    [kind, name, MAX_SESSIONS - 1],
  )
  await db.insertMany(SESSIONS, [session])
}

export async function findSessionForOperator(reader: DatabaseReader, sessionHash: string): Promise<SessionRow | null> {
  const sql = `select ${SESSIONS.columns('s')} from sessions s where s.session_hash = $1`
  const row = await reader.one(sql, [hexToBytes(sessionHash)])
  return row === null ? null : SESSIONS.decode(row)
}

/** Notes a use, unless a later one is stored. */
export async function touchSessionForOperator(db: Database, sessionHash: string, at: number): Promise<void> {
  await db.run('update sessions set used_at = $1 where session_hash = $2 and used_at < $1', [at, hexToBytes(sessionHash)])
}

export async function removeSessionForOperator(db: Database, sessionHash: string): Promise<void> {
  await db.run('delete from sessions where session_hash = $1', [hexToBytes(sessionHash)])
}

/** Ends every session of a name. Returns how many. */
export async function removeSessionsOfForOperator(db: Database, kind: SessionKind, name: string): Promise<number> {
  return db.run('delete from sessions where kind = $1 and name = $2', [kind, name])
}

/** The number of sessions of each user that were used since. */
export async function countUserSessionsForOperator(reader: DatabaseReader, usedSince: number): Promise<ReadonlyMap<string, number>> {
  const sql = "select s.name, count(*) as n from sessions s where s.kind = 'user' and s.used_at >= $1 group by s.name"
  return new Map((await reader.all(sql, [usedSince])).map((row) => [String(row['name']), Number(row['n'])]))
}
