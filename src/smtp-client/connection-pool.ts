/**
 * connection-pool - connections that are kept for the next mail from the same address to the same host
 *
 * A connection is lent to one mail at a time. It goes when it has carried its share, when it has been idle for its time, or when there are too many:
 * to a provider an idle connection is an open one. The one that was used last is lent first, so that what is not needed grows old.
 *
 * Owned by one transport. See also: smtp-client/client-session.
 */
import type { SmtpSession } from './client-session.ts'

export type PoolLimits = {
  /** Mails that one connection carries: providers count them (Outlook says so with RP-002), and load balancers want them to move on. */
  readonly mailsPerConnection: number
  /** Milliseconds without work: less than any server waits (RFC 5321 §4.5.3.2.7 asks for five minutes; many give thirty seconds). */
  readonly idleTimeoutMs: number
  /** Idle ones, all together. */
  readonly maxIdle: number
}

export const DEFAULT_POOL_LIMITS: PoolLimits = { mailsPerConnection: 100, idleTimeoutMs: 15_000, maxIdle: 500 }

export type ConnectionPool = {
  /** An idle one, now lent; null: there is none. */
  readonly acquire: (key: string) => SmtpSession | null
  /** Back from a mail; or new, and not needed any more. */
  readonly release: (key: string, session: SmtpSession) => void
  readonly idleCount: () => number
  readonly close: () => void
}

type IdleSession = { readonly key: string; readonly session: SmtpSession; readonly timer: NodeJS.Timeout }

export function createConnectionPool(limits: PoolLimits): ConnectionPool {
  const byKey = new Map<string, IdleSession[]>()
  const all = new Set<IdleSession>()
  const remove = (entry: IdleSession): void => {
    clearTimeout(entry.timer)
    all.delete(entry)
    const remaining = (byKey.get(entry.key) ?? []).filter((each) => each !== entry)
    if (remaining.length === 0) byKey.delete(entry.key)
    else byKey.set(entry.key, remaining)
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
    release: (key, session) => {
      if (!session.isOpen()) return
      if (session.mailCount() >= limits.mailsPerConnection) return session.quit()
      const timer = setTimeout(() => evict(entry), limits.idleTimeoutMs)
      timer.unref()
      const entry: IdleSession = { key, session, timer }
      session.onClose(() => remove(entry))
      byKey.set(key, [...(byKey.get(key) ?? []), entry])
      all.add(entry)
      const [oldest] = all
      if (all.size > limits.maxIdle && oldest !== undefined) evict(oldest)
    },
    close: () => {
      for (const entry of all) evict(entry)
    },
  }
}
