/**
 * queue-scope - keeps the queue entries of each account's log hook apart from those of others
 *
 * An entry names the deliveries of a queue id, and a queue id is no secret: it is in the Received field of each mail. What an account sends
 * therefore neither finds nor changes an entry that the logs of the operator or the hook of another account have made.
 *
 * Pure. See also: service/follow/record-lines, mta-log/queue-join, docs/FOLLOW.md.
 */
import type { FollowedMessage } from '../../mta-log/queue-join.ts'

/** No name of a host has a blank. */
const SCOPE = /^account \d+ /

/** In front of the stored host. `account` null: the logs of the operator. */
const scopeOf = (account: number | null): string => (account === null ? '' : `account ${account} `)

/** The stored entries that the lines of an account may use, as the join knows them. */
export function entriesInScope(entries: readonly FollowedMessage[], account: number | null): readonly FollowedMessage[] {
  const scope = scopeOf(account)
  return entries
    .filter(({ host }) => (SCOPE.exec(host)?.[0] ?? '') === scope)
    .map((entry) => ({ ...entry, host: entry.host.slice(scope.length) }))
}

/** Entries of the join, as they are stored. */
export const entriesToStore = (entries: readonly FollowedMessage[], account: number | null): readonly FollowedMessage[] =>
  entries.map((entry) => ({ ...entry, host: `${scopeOf(account)}${entry.host}` }))
