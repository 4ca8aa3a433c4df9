/**
 * imap-session - one session with an IMAP server on one folder: lists, fetches, moves and flags mails by UID, and waits for new ones
 *
 * The only file that uses imapflow, which is loaded with the first mailbox. TLS certificates are verified. Neither a password nor a mail is logged.
 * A mail is fetched without being marked as seen, and at most `maxBytes` of it.
 *
 * RFC 9051 (IMAP), RFC 2177 (IDLE), RFC 6851 (MOVE), RFC 4315 (UIDPLUS). See also: mailbox/mailbox-reader.
 */
import { readFileSync } from 'node:fs'
import type { ImapFlow, ImapFlowOptions } from 'imapflow'
import { readSecretFile } from '../config/secret-file.ts'
import { Fault } from '../errors.ts'

/** How to reach a mailbox. One of the three secrets is set. */
export type MailboxServer = {
  readonly host: string
  readonly port: number
  readonly tls: 'implicit' | 'starttls' | 'none'
  readonly caFile?: string | undefined
  readonly user: string
  readonly password?: string | undefined
  readonly passwordFile?: string | undefined
  readonly tokenFile?: string | undefined
  readonly folder: string
}

type ListedMail = { readonly uid: number; readonly size: number }

/** `internalDate`: when the server received the mail, epoch ms; null: it does not say. */
export type FetchedMail = { readonly raw: Buffer; readonly internalDate: number | null }

export type ImapSession = {
  /** Null: the server does not say. */
  readonly uidValidity: string | null
  readonly uidNext: number | null
  readonly mailCount: number
  /** All UIDs from `from` on; may contain the last UID below it (RFC 9051 §6.4.8, `n:*`). */
  readonly listUids: (from: number) => Promise<readonly number[]>
  /** The mails of the given UIDs that are still there, ascending. */
  readonly listMails: (uids: readonly number[]) => Promise<readonly ListedMail[]>
  /** The first `maxBytes` of a mail; null: the server did not hand it out. */
  readonly fetchMail: (uid: number, maxBytes: number) => Promise<FetchedMail | null>
  /** Rejects where a mail could not be moved; then some may have been. */
  readonly move: (uids: readonly number[], folder: string) => Promise<void>
  readonly flagSeen: (uids: readonly number[]) => Promise<void>
  /** Makes a folder that is missing. */
  readonly ensureFolder: (folder: string) => Promise<void>
  /** Resolves when mails arrive or `ms` are over. Rejects when the session has ended or `signal` aborts. */
  readonly waitForMail: (ms: number, signal: AbortSignal) => Promise<void>
  /** Ends the session at once. Idempotent. */
  readonly close: () => void
}

/** Throws Fault config_invalid if the installation was made without its optional packages. */
export function requireImapClient(): void {
  try {
    import.meta.resolve('imapflow')
  } catch (error) {
    const text = 'mailboxes: this installation has no package imapflow; install without --omit=optional, or remove the mailboxes'
    throw new Fault('config_invalid', text, { cause: error })
  }
}

/** `isReadOnly`: nothing in the folder changes, for a check. `signal` ends the session, also while it is being opened. */
type OpenOptions = { readonly maxBytes: number; readonly isReadOnly?: boolean; readonly signal?: AbortSignal }

/** A server that is slower than this is down. Milliseconds. */
const CONNECT_TIMEOUT_MS = 30_000
/** IDLE is restarted earlier, and a poll runs at least every hour. */
const IDLE_RESTART_MS = 240_000
const SOCKET_TIMEOUT_MS = 300_000
/** A list of a million UIDs has 8 MB. */
const MAX_LINE_BYTES = 64 * 1024 * 1024

/** Signs in and opens the folder. Rejects with an error whose message names no secret. Faults: config_invalid (a file of the mailbox). */
export async function openImapSession(server: MailboxServer, options: OpenOptions): Promise<ImapSession> {
  const { ImapFlow: Client } = await import('imapflow')
  const client = new Client(clientOptions(server, options))
  // An error also ends the session, so that the next command rejects.
  client.on('error', () => undefined)
  const onAbort = (): void => client.close()
  options.signal?.addEventListener('abort', onAbort)
  client.on('close', () => options.signal?.removeEventListener('abort', onAbort))
  try {
    options.signal?.throwIfAborted()
    await client.connect()
    return await openFolder(client, server.folder, options)
  } catch (error) {
    client.close()
    throw new Error(describeImapError(error), { cause: error })
  }
}

function clientOptions(server: MailboxServer, { maxBytes }: OpenOptions): ImapFlowOptions {
  const { host, port, tls, caFile, user } = server
  const secret = readMailboxSecret(server)
  return {
    host,
    port,
    secure: tls === 'implicit',
    doSTARTTLS: tls === 'starttls',
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }) },
    auth: server.tokenFile === undefined ? { user, pass: secret } : { user, accessToken: secret },
    logger: false,
    clientInfo: { name: 'bounced' },
    autoIdleDelay: 500,
    maxIdleTime: IDLE_RESTART_MS,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    maxLineLength: MAX_LINE_BYTES,
    maxLiteralSize: maxBytes + 65_536,
    maxResponseSize: maxBytes + MAX_LINE_BYTES,
  }
}

/** The password or the token. Throws Fault config_invalid where its file is missing, empty, or open to other users. */
export function readMailboxSecret({ password, passwordFile, tokenFile }: MailboxServer): string {
  if (password !== undefined) return password
  const file = passwordFile ?? tokenFile ?? ''
  const text = readSecretFile({ what: 'the secret of a mailbox', path: file, remedy: 'name another file' })?.trim() ?? ''
  if (text === '') throw new Fault('config_invalid', `${file} is missing or empty; a mailbox reads its secret from it`)
  return text
}

async function openFolder(client: ImapFlow, folder: string, { isReadOnly = false }: OpenOptions): Promise<ImapSession> {
  const opened = await client.mailboxOpen(folder, { readOnly: isReadOnly })
  const byUid = { uid: true }
  // Mails may arrive between the end of a list and the beginning of the wait.
  const news = { hasArrived: false }
  client.on('exists', () => (news.hasArrived = true))
  return {
    uidValidity: opened.uidValidity > 0n ? String(opened.uidValidity) : null,
    uidNext: opened.uidNext > 0 ? opened.uidNext : null,
    mailCount: opened.exists,
    listUids: async (from) => {
      news.hasArrived = false
      const found = await client.search({ uid: `${from}:*` }, byUid)
      if (found === false) throw new Error('the server refused to list the mails of the folder')
      return found ?? []
    },
    listMails: async (uids) => {
      if (uids.length === 0) return []
      const found = await client.fetchAll(uids.join(','), { uid: true, size: true }, byUid)
      const wanted = new Set(uids)
      const listed = found.flatMap(({ uid, size = 0 }) => (wanted.has(uid) ? [{ uid, size }] : []))
      return listed.toSorted((a, b) => a.uid - b.uid)
    },
    fetchMail: (uid, maxBytes) => fetchMail(client, uid, maxBytes),
    move: async (uids, target) => {
      if (uids.length === 0) return
      const moved = await client.messageMove(uids.join(','), target, byUid)
      if (!moved) throw new Error(`the server refused to move mails to the folder ${target}`)
    },
    flagSeen: async (uids) => {
      if (uids.length === 0) return
      if (!(await client.messageFlagsAdd(uids.join(','), ['\\Seen'], byUid))) throw new Error('the server refused to flag mails as seen')
    },
    ensureFolder: async (name) => void (await client.mailboxCreate(name)),
    waitForMail: (ms, signal) => (news.hasArrived ? Promise.resolve() : waitForMail(client, ms, signal)),
    close: () => client.close(),
  }
}

async function fetchMail(client: ImapFlow, uid: number, maxBytes: number): Promise<FetchedMail | null> {
  const source = { start: 0, maxLength: maxBytes }
  const found = await client.fetchOne(String(uid), { uid: true, internalDate: true, source }, { uid: true }).catch(falseWhereRefused)
  if (found === false || found.source === undefined) return null
  const date = found.internalDate === undefined ? NaN : new Date(found.internalDate).getTime()
  return { raw: found.source, internalDate: Number.isNaN(date) ? null : date }
}

/** A NO is about the mail: it is gone, or the server cannot read it. Anything else is about the session. */
function falseWhereRefused(error: unknown): false {
  if (error instanceof Error && 'responseStatus' in error && error.responseStatus === 'NO') return false
  throw error
}

function waitForMail(client: ImapFlow, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null): void => {
      clearTimeout(timer)
      client.off('exists', onExists)
      client.off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      if (error === null) resolve()
      else reject(error)
    }
    const onExists = (): void => settle(null)
    const onClose = (): void => settle(new Error('the server ended the session'))
    const onAbort = (): void => settle(new Error('the reading was stopped'))
    const timer = setTimeout(onExists, ms)
    client.on('exists', onExists)
    client.on('close', onClose)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    else if (!client.usable) onClose()
  })
}

/** One line for the operator: what the server said, else what went wrong. */
export function describeImapError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const reply = 'responseText' in error && typeof error.responseText === 'string' ? error.responseText : null
  const isSignIn = 'authenticationFailed' in error && error.authenticationFailed === true
  const text = isSignIn ? `the sign-in was refused${reply === null ? '' : `: ${reply}`}` : (reply ?? error.message)
  return text.replaceAll(/\s+/g, ' ').slice(0, 200)
}
