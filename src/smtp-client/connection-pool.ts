/**
 * connection-pool - connections that are kept for the next mail from the same address to the same host
 *
 * A connection is lent to one mail at a time. It goes when it has carried its share, when it has been idle for its time, or when there are too many:
 * to a provider an idle connection is an open one. The one that was used last is lent first, so that what is not needed grows old.
 *
 * Owned by one transport. See also: smtp-client/client-session.
 */
import type { Session } from './client-session.ts'

export type Keeping = {
  /** Mails that one connection carries: providers count them (Outlook says so with RP-002), and load balancers want them to move on. */
  readonly mails: number
  /** Milliseconds without work: less than any server waits (RFC 5321 §4.5.3.2.7 asks for five minutes; many give thirty seconds). */
  readonly idleMs: number
  /** Idle ones, all together. */
  readonly idle: number
}

export const KEEPING: Keeping = { mails: 100, idleMs: 15_000, idle: 500 }

export type Sessions = {
  /** An idle one, now lent; null: there is none. */
  readonly lend: (key: string) => Session | null
  /** Back from a mail; or new, and not needed any more. */
  readonly giveBack: (key: string, session: Session) => void
  readonly idle: () => number
  readonly close: () => void
}

type Idle = { readonly key: string; readonly session: Session; readonly timer: NodeJS.Timeout }

export function createSessions(keeping: Keeping): Sessions {
  const lists = new Map<string, Idle[]>()
  const all = new Set<Idle>()
  const forget = (idle: Idle): void => {
    clearTimeout(idle.timer)
    all.delete(idle)
    const left = (lists.get(idle.key) ?? []).filter((each) => each !== idle)
    if (left.length === 0) lists.delete(idle.key)
    else lists.set(idle.key, left)
  }
  const release = (idle: Idle): void => {
    forget(idle)
    idle.session.quit()
  }
  return {
    idle: () => all.size,
    lend: (key) => {
      const last = lists.get(key)?.at(-1)
      if (last === undefined) return null
      forget(last)
      return last.session.isOpen() ? last.session : null
    },
    giveBack: (key, session) => {
      if (!session.isOpen()) return
      if (session.carried() >= keeping.mails) return session.quit()
      const timer = setTimeout(() => release(idle), keeping.idleMs)
      timer.unref()
      const idle: Idle = { key, session, timer }
      session.onEnd(() => forget(idle))
      lists.set(key, [...(lists.get(key) ?? []), idle])
      all.add(idle)
      const [oldest] = all
      if (all.size > keeping.idle && oldest !== undefined) release(oldest)
    },
    close: () => {
      for (const idle of all) release(idle)
    },
  }
}
