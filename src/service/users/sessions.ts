/**
 * sessions - signs people in to the console, and tells by the id in their cookie who they are
 *
 * A session ends when nobody uses it for a while, at an absolute end, with a sign-out, and when what it was proven with changes: the password,
 * the role or the state of the user, the API key or the account. A sign-out on another node counts within a second.
 *
 * See also: store/account/sessions, http/server/session-cookie, settings/console.
 */
import { LRUCache } from 'lru-cache'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { findAccount } from '../../store/account/accounts.ts'
import { findCredentialsForOperator, type Credential } from '../../store/account/credentials.ts'
import {
  addSessionForOperator,
  findSessionForOperator,
  removeSessionForOperator,
  removeSessionsOfForOperator,
  touchSessionForOperator,
  type SessionKind,
} from '../../store/account/sessions.ts'
import { findUserForOperator, saveUserForOperator, type Role } from '../../store/account/users.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'
import { digestOfToken, makeToken, verifyPassword } from './password.ts'

/** Who a session belongs to. */
type SessionOwner =
  | { readonly kind: 'user'; readonly name: string; readonly role: Role }
  | { readonly kind: 'account'; readonly name: string; readonly account: number }

export type Session = SessionOwner & { readonly idleEndsAt: number; readonly endsAt: number }

export type SessionService = {
  /** Signs in. Null: the name or the secret is wrong, or may not sign in. Faults: overloaded. */
  readonly start: (kind: SessionKind, name: string, secret: string) => Promise<string | null>
  /** The session of an id, and notes its use. Null: there is none, or it has ended. */
  readonly find: (id: string) => Promise<Session | null>
  readonly end: (id: string) => Promise<void>
  /** Ends every session of the owner. Returns how many. */
  readonly endAll: (owner: Pick<Session, 'kind' | 'name'>, actor: string) => Promise<number>
}

type SessionLimits = { readonly idleMinutes: number; readonly sessionHours: number }

/** A use is written once in this time. */
const TOUCH_MS = 60_000

/** Another node's sign-out and a changed role count within this time. */
const CACHE_MS = 1_000
const MAX_CACHED = 1_000

type Proven = { readonly owner: SessionOwner; readonly proofHash: string }

export function createSessionService(context: Context, limits: SessionLimits): SessionService {
  const times = { idleMs: limits.idleMinutes * 60_000, absoluteMs: limits.sessionHours * 3_600_000 }
  const cache = new LRUCache<string, Session>({ max: MAX_CACHED, ttl: CACHE_MS })
  return {
    start: async (kind, name, secret) => {
      const proven = kind === 'user' ? await proveUser(context, name, secret) : await proveAccount(context, name, secret)
      if (proven === null) return null
      const id = makeToken()
      await saveSession(context, id, proven, times)
      return id
    },
    find: async (id) => {
      const sessionHash = digestOfToken(id)
      const cached = cache.get(sessionHash)
      if (cached !== undefined) return cached
      const session = await loadSession(context, sessionHash, times)
      if (session !== null) cache.set(sessionHash, session)
      return session
    },
    end: async (id) => {
      await context.engine.tx((db) => removeSessionForOperator(db, digestOfToken(id)))
      cache.clear()
    },
    endAll: async ({ kind, name }, actor) => {
      const ended = await transact(context, {}, async ({ db, moment }) => ({
        result: await removeSessionsOfForOperator(db, kind, name),
        facts: [createAuditFact(0, 'session.end-all', { kind, name }, { actor, moment })],
      }))
      cache.clear()
      return ended
    },
  }
}

type SessionTimes = { readonly idleMs: number; readonly absoluteMs: number }

/** A session that is still good, and notes its use. */
async function loadSession(context: Context, sessionHash: string, { idleMs, absoluteMs }: SessionTimes): Promise<Session | null> {
  const { engine, now } = context
  const row = await findSessionForOperator(engine.read, sessionHash)
  if (row === null || row.usedAt + idleMs <= now() || row.createdAt + absoluteMs <= now()) return null
  const proven = (await findProofs(context, row.kind, row.name)).find(({ proofHash }) => proofHash === row.proofHash)
  if (proven === undefined) return null
  const usedAt = now()
  if (usedAt - row.usedAt > TOUCH_MS) await engine.tx((db) => touchSessionForOperator(db, sessionHash, usedAt))
  return { ...proven.owner, idleEndsAt: usedAt + idleMs, endsAt: row.createdAt + absoluteMs }
}

/** What may prove a session of this name today: the user's stored password, or each valid key of an open account. */
async function findProofs({ engine: { read }, now }: Context, kind: SessionKind, name: string): Promise<readonly Proven[]> {
  if (kind === 'user') {
    const user = await findUserForOperator(read, name)
    if (user === null || user.passwordHash === null || user.disabledAt !== null) return []
    return [{ owner: { kind, name, role: user.role }, proofHash: digestOfToken(user.passwordHash) }]
  }
  const isValid = ({ role, expiresAt }: Credential): boolean => role === 'account' && (expiresAt === null || expiresAt > now())
  const credentials = (await findCredentialsForOperator(read, name)).filter(isValid)
  const [first] = credentials
  if (first === undefined || (await findAccount(read, first.account))?.closedAt !== null) return []
  return credentials.map(({ account, keyHash }) => ({ owner: { kind, name, account }, proofHash: keyHash }))
}

async function proveUser(context: Context, name: string, password: string): Promise<Proven | null> {
  const user = await findUserForOperator(context.engine.read, name)
  const isRight = await verifyPassword(user?.passwordHash ?? null, password)
  return isRight ? ((await findProofs(context, 'user', name))[0] ?? null) : null
}

/** A key is compared by its digest: whoever can guess part of a digest knows nothing of the key. */
async function proveAccount(context: Context, apiUser: string, apiKey: string): Promise<Proven | null> {
  const keyHash = digestOfToken(apiKey)
  return (await findProofs(context, 'account', apiUser)).find(({ proofHash }) => proofHash === keyHash) ?? null
}

async function saveSession(
  context: Context,
  id: string,
  { owner, proofHash }: Proven,
  { idleMs, absoluteMs }: SessionTimes,
): Promise<void> {
  const { kind, name } = owner
  const account = owner.kind === 'account' ? owner.account : 0
  await transact(context, {}, async ({ db, moment }) => {
    const session = { sessionHash: digestOfToken(id), kind, name, proofHash, createdAt: moment.at, usedAt: moment.at }
    await addSessionForOperator(db, session, { createdBefore: moment.at - absoluteMs, usedBefore: moment.at - idleMs })
    const user = kind === 'user' ? await findUserForOperator(db, name) : null
    if (user !== null) await saveUserForOperator(db, { ...user, signedInAt: moment.at })
    const actor = kind === 'user' ? `user:${name}` : `api:${name}`
    return { result: null, facts: [createAuditFact(account, 'session.start', { kind, name }, { actor, moment })] }
  })
}
