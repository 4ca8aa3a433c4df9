/**
 * mailbox-readers - reads all mailboxes of the settings, each on one node at a time
 *
 * Of the nodes that share a store, the one that holds the lease of a mailbox reads it; another takes over when the lease expires. What a mailbox has been read
 * up to, and since when it fails, is a row of the store. If two nodes read the same mail all the same, the second finds its digest.
 *
 * See also: mailbox/mailbox-reader (one mailbox), store/mail/mailboxes, daemon/background-work (starts and stops it).
 */
import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../service/context.ts'
import { requireDiskSpace } from '../service/disk-space.ts'
import type { Receiver } from '../service/receive/receive.ts'
import { acquireLeaseForOperator, releaseLeaseForOperator, renewLeaseForOperator, type Lease } from '../store/engine/lease.ts'
import { keepMailboxesForOperator, listMailboxesForOperator, saveMailboxForOperator, type MailboxRow } from '../store/mail/mailboxes.ts'
import { readMailboxSecret, requireImapClient } from './imap-session.ts'
import { readMailbox, type MailboxJournal, type MailboxOptions } from './mailbox-reader.ts'

type ReadersOptions = {
  readonly mailboxes: readonly MailboxOptions[]
  readonly submit: Receiver['submit']
  /** The name of this node. The same after a restart, so that it resumes its own leases at once. */
  readonly node: string
  readonly maxMailBytes: number
}

/** Long enough for a store that is away for a moment, short enough for a node that died. */
const LEASE_MS = 60_000
const RENEW_INTERVAL_MS = 15_000
/** How often a node without a lease asks for it. */
const ACQUIRE_INTERVAL_MS = 10_000

/** Checks that mailboxes can be read and their secrets too. Throws Fault config_invalid. */
export function checkMailboxes(mailboxes: readonly MailboxOptions[]): void {
  if (mailboxes.length > 0) requireImapClient()
  for (const mailbox of mailboxes) readMailboxSecret(mailbox)
}

/** Starts reading. The result stops it, and resolves when no mail is being read. */
export function startMailboxReaders(context: Context, options: ReadersOptions): () => Promise<void> {
  const stop = new AbortController()
  const failing = new Set<string>()
  const onHealth = (name: string, isFailing: boolean): void => {
    if (isFailing) failing.add(name)
    else failing.delete(name)
    context.telemetry.setGauge('bounced_mailboxes_failing', failing.size)
  }
  const names = new Set(options.mailboxes.map(({ name }) => name))
  const tidied = context.engine
    .tx((db) => keepMailboxesForOperator(db, names))
    .catch((error: unknown) => context.telemetry.log.warn({ err: error }, 'rows of mailboxes that are no longer set could not be removed'))
  const running = options.mailboxes.map((mailbox) => readUnderLease(context, { ...options, mailbox, onHealth }, stop.signal))
  return async () => {
    stop.abort()
    await Promise.all([tidied, ...running])
  }
}

type ReaderOptions = Omit<ReadersOptions, 'mailboxes'> & {
  readonly mailbox: MailboxOptions
  readonly onHealth: (name: string, isFailing: boolean) => void
}

/** Reads one mailbox whenever this node has its lease. Total. */
async function readUnderLease(context: Context, options: ReaderOptions, signal: AbortSignal): Promise<void> {
  const { mailbox, node, submit, maxMailBytes } = options
  const { engine, now, telemetry, domains } = context
  const name = `mailbox:${mailbox.name}`
  while (!signal.aborted) {
    const lease = await engine
      .tx((db) => acquireLeaseForOperator(db, { name, holder: node, now: now(), leaseMs: LEASE_MS }), { visibility: 'latest' })
      .catch(() => null)
    if (lease === null) {
      await sleep(ACQUIRE_INTERVAL_MS, null, { signal }).catch(() => undefined)
      continue
    }
    const over = new AbortController()
    const renewing = renewUntilLost(context, lease, over)
    telemetry.log.info({ mailbox: mailbox.name, folder: mailbox.folder }, 'this node reads the mailbox')
    await readMailbox(
      mailbox,
      {
        submit,
        journal: createJournal(context, options),
        domains: [...domains.returnPath, ...domains.feedback],
        maxMailBytes,
        now,
        telemetry,
        requireSpace: () => requireDiskSpace(context),
      },
      AbortSignal.any([signal, over.signal]),
    )
    options.onHealth(mailbox.name, false)
    over.abort()
    await renewing
    await engine.tx((db) => releaseLeaseForOperator(db, lease), { visibility: 'latest' }).catch(() => undefined)
  }
}

/** Renews a lease until `over` aborts, and aborts it when another node has the lease, or when it can have it. */
async function renewUntilLost({ engine, now, elapsed, telemetry }: Context, lease: Lease, over: AbortController): Promise<void> {
  let renewedAt = elapsed()
  while (!over.signal.aborted) {
    await sleep(RENEW_INTERVAL_MS, null, { signal: over.signal }).catch(() => undefined)
    if (over.signal.aborted) return
    const requestedAt = elapsed()
    const isOurs = await engine
      .tx((db) => renewLeaseForOperator(db, { ...lease, now: now(), leaseMs: LEASE_MS }), { visibility: 'latest' })
      .catch(() => null)
    if (isOurs === true) renewedAt = requestedAt
    if (isOurs !== false && elapsed() - renewedAt < LEASE_MS - RENEW_INTERVAL_MS) continue
    telemetry.log.warn({ lease: lease.name }, 'another node reads the mailbox')
    over.abort()
  }
}

/** A mailbox under another host, user or folder has other UIDs. */
const identityOf = ({ host, port, user, folder }: MailboxOptions): string => hash('sha256', JSON.stringify([host, port, user, folder]))

/** The row of a mailbox as a journal. This node is its only writer. */
function createJournal({ engine, now }: Context, { mailbox, onHealth }: ReaderOptions): MailboxJournal {
  const identity = identityOf(mailbox)
  const { name } = mailbox
  const unread: MailboxRow = {
    name,
    identity,
    uidValidity: null,
    lastUid: 0,
    retryUids: [],
    readAt: null,
    failingSince: null,
    problem: null,
  }
  const readRow = async (): Promise<MailboxRow> => {
    const row = (await listMailboxesForOperator(engine.read)).find((each) => each.name === name)
    return row?.identity === identity ? row : unread
  }
  const update = async (change: (row: MailboxRow) => Partial<MailboxRow>): Promise<void> => {
    const row = await readRow()
    await engine.tx((db) => saveMailboxForOperator(db, { ...row, ...change(row) }), { visibility: 'latest' })
  }
  return {
    load: readRow,
    save: ({ uidValidity, lastUid, retryUids }) => update(() => ({ uidValidity, lastUid, retryUids })),
    setProblem: (problem) => {
      onHealth(name, problem !== null)
      return update(({ failingSince, readAt }) => ({
        problem,
        failingSince: problem === null ? null : (failingSince ?? now()),
        readAt: problem === null ? now() : readAt,
      }))
    },
  }
}
