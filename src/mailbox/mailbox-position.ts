/**
 * mailbox-position - how far a folder of an IMAP mailbox has been read, as a state machine
 *
 * A UID identifies a mail only together with the UIDVALIDITY of its folder, and UIDs rise (RFC 9051 §2.3.1.1). Below `lastUid`, every mail is done but
 * those in `retryUids`. Whenever the server's numbers do not fit the stored ones, reading begins again at the first mail: a mail that was read before
 * is recognised by its digest, a mail that was skipped would be lost.
 *
 * Pure. See also: mailbox/mailbox-reader (executes it), store/mail/mailboxes (stores it).
 */

export type MailboxPosition = {
  /** Null: the server names none, so that every session begins at the first mail. */
  readonly uidValidity: string | null
  readonly lastUid: number
  /** UIDs up to `lastUid` whose mails the server did not hand out; ascending. */
  readonly retryUids: readonly number[]
}

/** What the server says of a folder that was opened. Null: it does not say. */
type FolderNumbers = { readonly uidValidity: string | null; readonly uidNext: number | null }

/** `gone`: no longer in the folder. `failed`: the server did not hand it out, and may do so later. */
type MailOutcome = 'done' | 'gone' | 'failed'

const startOf = (uidValidity: string | null): MailboxPosition => ({ uidValidity, lastUid: 0, retryUids: [] })

/** The position in a folder that was just opened. A server that was restored from a backup hands out UIDs again: its next one is too low. */
export function openPosition(stored: MailboxPosition | null, { uidValidity, uidNext }: FolderNumbers): MailboxPosition {
  const isSame = stored !== null && uidValidity !== null && stored.uidValidity === uidValidity
  return isSame && (uidNext === null || uidNext > stored.lastUid) ? stored : startOf(uidValidity)
}

/** The UIDs to read, ascending: those that failed before, and those of `found` that are new. A search for `n:*` also finds the last mail below n. */
export function uidsToRead({ lastUid, retryUids }: MailboxPosition, found: readonly number[]): readonly number[] {
  const uids = new Set([...retryUids, ...found.filter((uid) => uid > lastUid)])
  return [...uids].toSorted((a, b) => a - b)
}

/** The position when of the UIDs in `asked` only those in `present` are still in the folder. */
export function withoutGone(position: MailboxPosition, asked: readonly number[], present: ReadonlySet<number>): MailboxPosition {
  const gone = new Set(asked.filter((uid) => !present.has(uid)))
  return { ...position, retryUids: position.retryUids.filter((uid) => !gone.has(uid)) }
}

/** The position after the next mails of {@link uidsToRead}, in their order. */
export function advancePosition(position: MailboxPosition, outcomes: ReadonlyMap<number, MailOutcome>): MailboxPosition {
  const retry = new Set(position.retryUids)
  let { lastUid } = position
  for (const [uid, outcome] of outcomes) {
    lastUid = Math.max(lastUid, uid)
    if (outcome === 'failed') retry.add(uid)
    else retry.delete(uid)
  }
  return { ...position, lastUid, retryUids: [...retry].toSorted((a, b) => a - b) }
}

/** Mails of one slice, and their bytes: what is in memory at once, and in one commit. A larger mail is a slice of its own. */
const MAX_SLICE_MAILS = 100
const MAX_SLICE_BYTES = 8 * 1024 * 1024

/** How many of the next mails make a slice; at least one. `sizes`: bytes that would be read of each. */
export function sliceLength(sizes: readonly number[]): number {
  let bytes = 0
  const end = sizes.findIndex((size, n) => n > 0 && (n >= MAX_SLICE_MAILS || (bytes += sizes[n - 1] ?? 0) + size > MAX_SLICE_BYTES))
  return end < 0 ? sizes.length : end
}
