/**
 * users - adds, changes and removes the users of the console, and gives them links with which they choose a password
 *
 * Every change is a transaction with an audit fact that names its actor. There is always an administrator who can sign in: the change that
 * would lock everybody out is refused. A changed password, role or state ends the sessions of its user.
 *
 * See also: service/users/roles, service/users/sessions, http/api/users, commands/account/user.
 */
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { AuditData } from '../../ledger/facts/operator-facts.ts'
import { countUserSessionsForOperator, removeSessionsOfForOperator } from '../../store/account/sessions.ts'
import {
  addPasswordLinkForOperator,
  findPasswordLinkForOperator,
  findUserForOperator,
  listUsersForOperator,
  removePasswordLinkForOperator,
  removeUserForOperator,
  saveUserForOperator,
  type Role,
  type UserRow,
} from '../../store/account/users.ts'
import type { Database } from '../../store/engine/engine.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'
import { digestOfToken, hashPassword, makeToken, verifyPassword } from './password.ts'

/** A link is for the moment; a lost one is made again. */
export const LINK_HOURS = 24

export type UserView = Pick<UserRow, 'name' | 'role' | 'createdAt' | 'disabledAt' | 'signedInAt'> & {
  readonly hasPassword: boolean
  readonly sessions: number
}

export type UserService = {
  readonly list: () => Promise<readonly UserView[]>
  readonly hasUsers: () => Promise<boolean>
  /** Faults: conflict (the name is taken), bad_request (the name or the password). */
  readonly add: (command: {
    readonly name: string
    readonly role: Role
    readonly password: string | null
    readonly actor: string
  }) => Promise<void>
  /** Faults: not_found, conflict (the last administrator). */
  readonly change: (command: {
    readonly name: string
    readonly role?: Role
    readonly isDisabled?: boolean
    readonly actor: string
  }) => Promise<void>
  /** Sets a password, checking the present one if it is given, and ends the user's sessions. Faults: not_found, bad_request, forbidden. */
  readonly setPassword: (command: {
    readonly name: string
    readonly password: string
    readonly present?: string
    readonly actor: string
  }) => Promise<void>
  /** Makes the token of a one-time link for a user; it ends the link before. Faults: not_found. */
  readonly createLink: (command: { readonly name: string; readonly actor: string }) => Promise<string>
  /** Whose link it is; `name` is null if it creates the first administrator. Faults: not_found. */
  readonly findLink: (token: string) => Promise<{ readonly name: string | null }>
  /** Uses a link: sets the password, and creates the administrator if the link is the first one. Resolves to the user's name. Faults: not_found, bad_request, conflict. */
  readonly redeemLink: (command: { readonly token: string; readonly name: string | null; readonly password: string }) => Promise<string>
  readonly signOutEverywhere: (command: { readonly name: string; readonly actor: string }) => Promise<number>
  /** Faults: not_found, conflict (the last administrator). */
  readonly remove: (command: { readonly name: string; readonly actor: string }) => Promise<void>
}

/** Names show in audit facts and URLs. `operator` and names with a colon would read as other actors. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._@-]{0,63}$/u

export function createUserService(context: Context): UserService {
  const { read } = context.engine
  return {
    list: async () => {
      const sessions = await countUserSessionsForOperator(read, 0)
      return (await listUsersForOperator(read)).map((row) => toView(row, sessions.get(row.name) ?? 0))
    },
    hasUsers: async () => (await listUsersForOperator(read)).length > 0,
    add: (command) => addUser(context, command),
    change: (command) => changeUser(context, command),
    setPassword: (command) => setPassword(context, command),
    createLink: (command) => createLink(context, command),
    findLink: async (token) => ({ name: (await requireLink(context, read, token)).userName }),
    redeemLink: (command) => redeemLink(context, command),
    signOutEverywhere: ({ name, actor }) =>
      audited(context, actor, 'user.sign-out', { name }, (db) => removeSessionsOfForOperator(db, 'user', name)),
    remove: ({ name, actor }) =>
      audited(context, actor, 'user.remove', { name }, async (db) => {
        await requireOtherAdmin(db, await requireUser(db, name))
        await removeSessionsOfForOperator(db, 'user', name)
        await removeUserForOperator(db, name)
      }),
  }
}

function toView({ name, role, createdAt, disabledAt, signedInAt, passwordHash }: UserRow, sessions: number): UserView {
  return { name, role, createdAt, disabledAt, signedInAt, hasPassword: passwordHash !== null, sessions }
}

/** One transaction with its audit fact. */
function audited<T>(
  context: Context,
  actor: string,
  what: string,
  detail: AuditData['detail'],
  change: (db: Database, at: number) => Promise<T>,
): Promise<T> {
  return transact(context, {}, async ({ db, moment }) => ({
    result: await change(db, moment.at),
    facts: [createAuditFact(0, what, detail, { actor, moment })],
  }))
}

async function requireUser(db: Database, name: string): Promise<UserRow> {
  const user = await findUserForOperator(db, name)
  if (user === null) throw new Fault('not_found', 'there is no user of this name')
  return user
}

const canAdminister = ({ role, disabledAt, passwordHash }: UserRow): boolean =>
  role === 'admin' && disabledAt === null && passwordHash !== null

/** Faults: conflict. */
async function requireOtherAdmin(db: Database, user: UserRow): Promise<void> {
  if (!canAdminister(user)) return
  const others = (await listUsersForOperator(db)).filter((each) => each.name !== user.name && canAdminister(each))
  if (others.length === 0) throw new Fault('conflict', 'this is the last administrator who can sign in; add another one first')
}

async function addUser(context: Context, { name, role, password, actor }: Parameters<UserService['add']>[0]): Promise<void> {
  checkName(name)
  const passwordHash = password === null ? null : await hashPassword(password, name)
  await audited(context, actor, 'user.add', { name, role }, async (db, at) => {
    if ((await findUserForOperator(db, name)) !== null) throw new Fault('conflict', 'there is a user of this name already')
    await saveUserForOperator(db, { name, role, passwordHash, createdAt: at, disabledAt: null, signedInAt: null })
  })
}

function checkName(name: string): void {
  if (!NAME.test(name) || name.toLowerCase() === 'operator')
    throw new Fault('bad_request', 'a name is 1 to 64 letters, digits or . _ @ -, begins with a letter or a digit, and is not "operator"')
}

async function changeUser(context: Context, { name, role, isDisabled, actor }: Parameters<UserService['change']>[0]): Promise<void> {
  const detail = { name, ...(role === undefined ? {} : { role }), ...(isDisabled === undefined ? {} : { disabled: isDisabled }) }
  await audited(context, actor, 'user.change', detail, async (db, at) => {
    const user = await requireUser(db, name)
    const disabledAt = isDisabled === undefined ? user.disabledAt : isDisabled ? (user.disabledAt ?? at) : null
    const changed = { ...user, role: role ?? user.role, disabledAt }
    if (!canAdminister(changed)) await requireOtherAdmin(db, user)
    await saveUserForOperator(db, changed)
    await removeSessionsOfForOperator(db, 'user', name)
  })
}

async function setPassword(context: Context, { name, password, present, actor }: Parameters<UserService['setPassword']>[0]): Promise<void> {
  const stored = await findUserForOperator(context.engine.read, name)
  if (stored === null) throw new Fault('not_found', 'there is no user of this name')
  if (present !== undefined && !(await verifyPassword(stored.passwordHash, present)))
    throw new Fault('forbidden', 'the present password is wrong')
  const passwordHash = await hashPassword(password, name)
  await audited(context, actor, 'user.password', { name }, async (db) => savePassword(db, await requireUser(db, name), passwordHash))
}

/** Sessions end, because their proof is the old password; links end, because they would set another one. */
async function savePassword(db: Database, user: UserRow, passwordHash: string): Promise<void> {
  await removeUserForOperator(db, user.name)
  await saveUserForOperator(db, { ...user, passwordHash })
  await removeSessionsOfForOperator(db, 'user', user.name)
}

async function createLink(context: Context, { name, actor }: Parameters<UserService['createLink']>[0]): Promise<string> {
  const token = makeToken()
  await audited(context, actor, 'user.link', { name }, async (db, at) => {
    await requireUser(db, name)
    await addPasswordLinkForOperator(db, { linkHash: digestOfToken(token), userName: name, ...lifetimeOf(at) })
  })
  return token
}

const lifetimeOf = (at: number): { readonly createdAt: number; readonly expiresAt: number } => ({
  createdAt: at,
  expiresAt: at + LINK_HOURS * 3_600_000,
})

/** Makes the link of the first start, in the transaction of the first start. */
export async function createFirstLink(db: Database, at: number): Promise<string> {
  const token = makeToken()
  await addPasswordLinkForOperator(db, { linkHash: digestOfToken(token), userName: null, ...lifetimeOf(at) })
  return token
}

async function requireLink(
  { now }: Pick<Context, 'now'>,
  reader: Parameters<typeof findPasswordLinkForOperator>[0],
  token: string,
): Promise<{ readonly linkHash: string; readonly userName: string | null }> {
  const link = await findPasswordLinkForOperator(reader, digestOfToken(token))
  if (link === null || link.expiresAt <= now()) throw new Fault('not_found', 'this link has been used or has expired; ask for a new one')
  return link
}

async function redeemLink(context: Context, { token, name, password }: Parameters<UserService['redeemLink']>[0]): Promise<string> {
  const { userName } = await requireLink(context, context.engine.read, token)
  const chosen = userName ?? name
  if (chosen === null) throw new Fault('bad_request', 'choose a name')
  checkName(chosen)
  const passwordHash = await hashPassword(password, chosen)
  await audited(context, `user:${chosen}`, 'user.password', { name: chosen, link: true }, async (db, at) => {
    const link = await requireLink(context, db, token)
    await removePasswordLinkForOperator(db, link.linkHash)
    if (link.userName !== null) return savePassword(db, await requireUser(db, chosen), passwordHash)
    if ((await findUserForOperator(db, chosen)) !== null) throw new Fault('conflict', 'there is a user of this name already')
    await saveUserForOperator(db, { name: chosen, role: 'admin', passwordHash, createdAt: at, disabledAt: null, signedInAt: null })
  })
  return chosen
}
