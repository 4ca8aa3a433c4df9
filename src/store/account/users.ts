/**
 * users - the people who sign in to the console, and the one-time links with which they choose a password
 *
 * Users are the operator's: no account owns them. A password is stored as argon2id (service/users/password), a link as SHA-256.
 *
 * See also: service/users/users, store/account/sessions.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, hexColumn, hexToBytes, integerColumn, nullableColumn, textColumn, textEnumColumn } from '../engine/mapping.ts'

/** What a user may do; service/users/roles has the table. */
export type Role = 'admin' | 'operator' | 'viewer'

export type UserRow = {
  readonly name: string
  readonly role: Role
  /** Null: the user has not chosen a password yet. */
  readonly passwordHash: string | null
  readonly createdAt: number
  readonly disabledAt: number | null
  readonly signedInAt: number | null
}

export const USERS = createTableMapping<UserRow>('users', ['name'], {
  name: textColumn('name', 'none'),
  role: textEnumColumn<Role>('role'),
  passwordHash: nullableColumn(textColumn('password_hash', 'none')),
  createdAt: integerColumn('created_at'),
  disabledAt: nullableColumn(integerColumn('disabled_at')),
  signedInAt: nullableColumn(integerColumn('signed_in_at')),
})

type PasswordLinkRow = {
  /** SHA-256 of the link's token, hex. */
  readonly linkHash: string
  /** Null: the link creates the first administrator. */
  readonly userName: string | null
  readonly createdAt: number
  readonly expiresAt: number
}

export const PASSWORD_LINKS = createTableMapping<PasswordLinkRow>('password_links', ['link_hash'], {
  linkHash: hexColumn('link_hash'),
  userName: nullableColumn(textColumn('user_name', 'none')),
  createdAt: integerColumn('created_at'),
  expiresAt: integerColumn('expires_at'),
})

const USER_COLUMNS = USERS.columns('u')

export async function findUserForOperator(reader: DatabaseReader, name: string): Promise<UserRow | null> {
  const row = await reader.one(`select ${USER_COLUMNS} from users u where u.name = $1`, [name])
  return row === null ? null : USERS.decode(row)
}

/** Lists all users by name. There are few. */
export async function listUsersForOperator(reader: DatabaseReader): Promise<readonly UserRow[]> {
  return (await reader.all(`select ${USER_COLUMNS} from users u order by u.name`)).map(USERS.decode)
}

/** Adds or replaces a user. */
export async function saveUserForOperator(db: Database, user: UserRow): Promise<void> {
  await db.upsertMany(USERS, [user], {})
}

/** Removes a user with the links. Returns whether there was one. */
export async function removeUserForOperator(db: Database, name: string): Promise<boolean> {
  await db.run('delete from password_links where user_name = $1', [name])
  return (await db.run('delete from users where name = $1', [name])) > 0
}

/** Adds a link. A user has one: an earlier one ends. Expired links of all users are removed. */
export async function addPasswordLinkForOperator(db: Database, link: PasswordLinkRow): Promise<void> {
  await db.run('delete from password_links where expires_at <= $1', [link.createdAt])
  if (link.userName === null) await db.run('delete from password_links where user_name is null')
  else await db.run('delete from password_links where user_name = $1', [link.userName])
  await db.insertMany(PASSWORD_LINKS, [link])
}

export async function findPasswordLinkForOperator(reader: DatabaseReader, linkHash: string): Promise<PasswordLinkRow | null> {
  const sql = `select ${PASSWORD_LINKS.columns('l')} from password_links l where l.link_hash = $1`
  const row = await reader.one(sql, [hexToBytes(linkHash)])
  return row === null ? null : PASSWORD_LINKS.decode(row)
}

/** Removes a link. False: somebody else has used it. */
export async function removePasswordLinkForOperator(db: Database, linkHash: string): Promise<boolean> {
  return (await db.run('delete from password_links where link_hash = $1', [hexToBytes(linkHash)])) > 0
}
