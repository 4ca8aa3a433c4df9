/**
 * connection-pool - idle SMTP sessions, kept for the next message from the same egress IP to the same host
 *
 * A session serves one message at a time. The pool closes a session that has sent its maximum of messages or has been idle for too long, and the oldest one when
 * there are too many, because a provider counts an idle connection as an open one. The session that was used last is used first, so that unneeded ones expire.
 *
 * Owned by one transport. See also: smtp-client/client-session, smtp-client/smtp-transport.
 */
import type { SmtpSession } from './client-session.ts'

export type PoolLimits = {
  /** Messages over one connection: providers limit them (Outlook refuses with RP-002), and a load balancer spreads new connections only. */
  readonly mailsPerConnection: number
  /** Milliseconds: less than any server waits (RFC 5321 §4.5.3.2.7 asks for five minutes; many give thirty seconds). */
  readonly idleTimeoutMs: number
  /** Idle sessions of all keys together. */
  readonly maxIdle: number
}

export const DEFAULT_POOL_LIMITS: PoolLimits = { mailsPerConnection: 100, idleTimeoutMs: 15_000, maxIdle: 500 }

export type ConnectionPool = {
  /** Takes an idle session out; null: there is none. */
  readonly acquire: (key: string) => SmtpSession | null
  /** Adds a session to the pool, or closes it if it has sent its maximum of messages. `mails` lowers the maximum. */
  readonly release: (key: string, session: SmtpSession, mails?: number | null) => void
  readonly idleCount: () => number
  readonly close: () => void
}

type IdleSession = { readonly key: string; readonly session: SmtpSession; readonly timer: NodeJS.Timeout }

/** Creates an empty pool. */
export function createConnectionPool(limits: PoolLimits): ConnectionPool {
  const byKey: IdleByKey = new Map()
  const all = new Set<IdleSession>()
  const remove = (entry: IdleSession): void => {
    clearTimeout(entry.timer)
    all.delete(entry)
    removeFromKey(byKey, entry)
  }
  const evict = (entry: IdleSession): void => {
    remove(entry)
    entry.session.quit()
  }
  return {
    idleCount: () => all.size,
    acquire: (key) => {
      const lastUsed = byKey.get(key)?.at(-1)
      if (lastUsed === undefined) return null
      remove(lastUsed)
      return lastUsed.session.isOpen() ? lastUsed.session : null
    },
    release: (key, session, mails = null) => {
      if (!session.isOpen()) return
      if (session.mailCount() >= Math.min(limits.mailsPerConnection, mails ?? Infinity)) return session.quit()
      const timer = setTimeout(() => evict(entry), limits.idleTimeoutMs)
      timer.unref()
      const entry: IdleSession = { key, session, timer }
      session.onClose(() => remove(entry))
      addToKey(byKey, entry)
      all.add(entry)
      const [oldest] = all
      if (all.size > limits.maxIdle && oldest !== undefined) evict(oldest)
    },
    close: () => {
      for (const entry of all) evict(entry)
    },
  }
}

/** The idle sessions of each key, in the order in which they became idle. */
type IdleByKey = Map<string, IdleSession[]>

function addToKey(byKey: IdleByKey, entry: IdleSession): void {
  const sessions = byKey.get(entry.key)
  if (sessions === undefined) byKey.set(entry.key, [entry])
  else sessions.push(entry)
}

function removeFromKey(byKey: IdleByKey, entry: IdleSession): void {
  const sessions = byKey.get(entry.key) ?? []
  const index = sessions.lastIndexOf(entry)
  if (index >= 0) sessions.splice(index, 1)
  if (sessions.length === 0) byKey.delete(entry.key)
}
