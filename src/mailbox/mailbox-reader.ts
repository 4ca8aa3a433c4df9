/**
 * mailbox-reader - reads one IMAP mailbox: every mail once, from the first on, then each new one
 *
 * The order is fixed: fetch, submit (resolves after the durable commit), move or flag, then store the position. A process that is killed in between reads the
 * mails of one slice again, which changes nothing, because their digests are known. A session that fails is opened again with a growing pause.
 *
 * See also: mailbox/mailbox-position (the state), mailbox/imap-session (the server), mailbox/mailbox-readers (all mailboxes, and their leases).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { IncomingMail } from '../service/receive/incoming-mail.ts'
import type { ReceiveResult } from '../service/receive/receive-result.ts'
import type { Telemetry } from '../telemetry.ts'
import { describeImapError, openImapSession, type ImapSession, type MailboxServer } from './imap-session.ts'
import { bytesToFetch, incomingMailOf, isReport } from './mailbox-mail.ts'
import { advancePosition, openPosition, sliceLength, uidsToRead, withoutGone, type MailboxPosition } from './mailbox-position.ts'

export type MailboxOptions = MailboxServer & {
  readonly name: string
  readonly readFolder?: string | undefined
  readonly unreadFolder?: string | undefined
  readonly pollSeconds: number
}

/** Keeps what is known of a mailbox. Each call is one transaction. Faults: store_busy. */
export type MailboxJournal = {
  readonly load: () => Promise<MailboxPosition | null>
  readonly save: (position: MailboxPosition) => Promise<void>
  /** Null: the folder was read to its end. */
  readonly setProblem: (problem: string | null) => Promise<void>
}

type ReaderDependencies = {
  readonly submit: (mail: IncomingMail) => Promise<ReceiveResult>
  readonly journal: MailboxJournal
  readonly domains: readonly string[]
  readonly maxMailBytes: number
  readonly now: () => number
  readonly telemetry: Telemetry
  /** Throws while the disk has no room for mails. */
  readonly requireSpace: () => void
}

/** The first pause after a failure, and the longest: a server that was restarted is read soon, and one that is down is not hammered. */
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 300_000
/** Servers lock out users who sign in wrongly again and again. */
const SIGN_IN_PAUSE_MS = 60_000

/** The pause before session number `failures` + 1. `chance`: 0 to 1, so that readers of one server do not come together. */
function pauseAfter(failures: number, isSignIn: boolean, chance: number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 20))
  return (isSignIn ? Math.max(SIGN_IN_PAUSE_MS, pause) : pause) * (0.75 + chance / 2)
}

/** Reads until `signal` aborts. Total: resolves when the mails that were being read are committed. */
export async function readMailbox(options: MailboxOptions, dependencies: ReaderDependencies, signal: AbortSignal): Promise<void> {
  const { journal, telemetry } = dependencies
  const { name } = options
  let failures = 0
  const onDrained = async (problem: string | null): Promise<void> => {
    failures = 0
    await journal.setProblem(problem)
  }
  while (!signal.aborted) {
    try {
      await runSession(options, dependencies, { signal, onDrained })
    } catch (error) {
      if (signal.aborted) return
      const problem = describeImapError(error)
      telemetry.count('bounced_mailbox_failures_total', { mailbox: name })
      telemetry.log.warn({ mailbox: name, problem, failures }, 'mailbox cannot be read; it will be tried again')
      await journal.setProblem(problem).catch(() => undefined)
      await sleep(pauseAfter(failures, isSignInError(error), Math.random()), null, { signal }).catch(() => undefined)
      failures++
    }
  }
}

const isSignInError = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && 'authenticationFailed' in error.cause

type SessionRun = { readonly signal: AbortSignal; readonly onDrained: (problem: string | null) => Promise<void> }

/** One session: reads all there is, waits, reads again. Rejects when the session or the store fails. */
async function runSession(options: MailboxOptions, dependencies: ReaderDependencies, { signal, onDrained }: SessionRun): Promise<void> {
  const grace = graceAfter(signal)
  const session = await openImapSession(options, { maxBytes: dependencies.maxMailBytes, signal: grace.signal })
  try {
    for (const folder of [options.readFolder, options.unreadFolder]) if (folder !== undefined) await session.ensureFolder(folder)
    const stored = await dependencies.journal.load()
    let position = openPosition(stored, session)
    // Now, so that a server that hands out UIDs again is not mistaken for the old one later.
    if (position !== stored) await dependencies.journal.save(position)
    while (!signal.aborted) {
      position = await drain(session, position, { options, dependencies, signal, grace })
      const { length } = position.retryUids
      await onDrained(length === 0 ? null : `the server did not hand out ${length} mails`)
      await session.waitForMail(options.pollSeconds * 1_000, signal)
    }
  } finally {
    grace.end()
    session.close()
  }
}

/** Mails that are committed are flagged and counted as read within milliseconds; a server that is silent must not hold the end of the daemon. */
const FINISH_MS = 2_000

/** `signal` aborts with the given one, but `FINISH_MS` later while mails are being committed. */
type Grace = { readonly signal: AbortSignal; isCommitting: boolean; readonly end: () => void }

function graceAfter(signal: AbortSignal): Grace {
  const late = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const abort = (): void => late.abort()
  const onAbort = (): void => {
    if (grace.isCommitting) timer = setTimeout(abort, FINISH_MS)
    else abort()
  }
  const end = (): void => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  const grace: Grace = { signal: late.signal, isCommitting: false, end }
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  return grace
}

type Reading = {
  readonly options: MailboxOptions
  readonly dependencies: ReaderDependencies
  readonly signal: AbortSignal
  readonly grace: Grace
}

/** A server that hands out none of so many mails is out of order; reading waits until it is repaired. */
const MAX_RETRIES = 1_000

/** UIDs whose sizes are asked for at once. */
const MAX_LISTED = 500

/** Reads every mail that is in the folder now, slice by slice. */
async function drain(session: ImapSession, from: MailboxPosition, reading: Reading): Promise<MailboxPosition> {
  const { dependencies, signal } = reading
  let position = from
  const uids = uidsToRead(position, await session.listUids(position.lastUid + 1))
  for (let at = 0; at < uids.length && !signal.aborted; at += MAX_LISTED) {
    const part = uids.slice(at, at + MAX_LISTED)
    const listed = await session.listMails(part)
    const present = new Set(listed.map(({ uid }) => uid))
    position = withoutGone(position, part, present)
    let rest = listed
    while (rest.length > 0 && !signal.aborted) {
      const count = sliceLength(rest.map(({ size }) => Math.min(size, dependencies.maxMailBytes)))
      const { grace } = reading
      grace.isCommitting = true
      position = await readSlice(session, position, { ...reading, mails: rest.slice(0, count) })
      grace.isCommitting = false
      rest = rest.slice(count)
    }
  }
  return position
}

type Slice = Reading & { readonly mails: Awaited<ReturnType<ImapSession['listMails']>> }

/** Fetches, submits, moves or flags, and stores the position: in this order. */
async function readSlice(session: ImapSession, position: MailboxPosition, slice: Slice): Promise<MailboxPosition> {
  const { options, dependencies, mails } = slice
  const { readFolder, unreadFolder, name } = options
  dependencies.requireSpace()
  const fetched: { readonly uid: number; readonly mail: IncomingMail }[] = []
  const missing: number[] = []
  for (const { uid, size } of mails) {
    const mail = await fetchIncoming(session, { uid, size }, slice)
    if (mail === null) missing.push(uid)
    else fetched.push({ uid, mail })
  }
  const others = unreadFolder === undefined ? [] : fetched.filter(({ mail }) => !isReport(mail))
  const reports = fetched.filter((each) => !others.includes(each))
  const results = await Promise.all(reports.map(({ mail }) => dependencies.submit(mail)))
  const { telemetry } = dependencies
  for (const { isDuplicate } of results)
    telemetry.count('bounced_mailbox_mails_total', { mailbox: name, outcome: isDuplicate ? 'repeated' : 'read' })
  for (const _other of others) telemetry.count('bounced_mailbox_mails_total', { mailbox: name, outcome: 'unread' })
  const uidsOf = (all: typeof fetched): readonly number[] => all.map(({ uid }) => uid)
  if (readFolder === undefined) await session.flagSeen(uidsOf(reports))
  else await session.move(uidsOf(reports), readFolder)
  if (unreadFolder !== undefined) await session.move(uidsOf(others), unreadFolder)
  const left = new Set(missing.length === 0 ? [] : (await session.listMails(missing)).map(({ uid }) => uid))
  const outcomeOf = (uid: number): 'done' | 'failed' | 'gone' => (!missing.includes(uid) ? 'done' : left.has(uid) ? 'failed' : 'gone')
  const next = advancePosition(position, new Map(mails.map(({ uid }) => [uid, outcomeOf(uid)])))
  if (next.retryUids.length > MAX_RETRIES) throw new Error(`the server does not hand out ${MAX_RETRIES} mails and more`)
  await dependencies.journal.save(next)
  return next
}

async function fetchIncoming(
  session: ImapSession,
  { uid, size }: { readonly uid: number; readonly size: number },
  { options, dependencies }: Reading,
): Promise<IncomingMail | null> {
  const { maxMailBytes, domains, now } = dependencies
  const found = await session.fetchMail(uid, bytesToFetch(size, maxMailBytes))
  if (found === null) return null
  return incomingMailOf(found, { size, maxMailBytes, domains, sessionId: `${options.name}-${uid}`, now: now() })
}
