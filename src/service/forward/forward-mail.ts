/**
 * forward-mail - receives mail for the domains of accounts, stores it, and queues its webhooks
 *
 * Such mail belongs to the account, even if it is a bounce: it changes no status and no list. `submit` resolves after the durable commit of
 * mail, fact and outbox; mails that wait at the same time share one commit. Only the Message-IDs that the mail replies to are read here: if
 * one of them is a delivery of the account, the fact names that delivery.
 *
 * See also: service/forward/forward-body (the webhook payload), service/forward/forward-domains, smtp-server/report-session, service/batcher.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { createFactBatch } from '../../ledger/facts/fact-batch.ts'
import { createFact, aboutMail } from '../../ledger/facts/new-fact.ts'
import { getRawHeader } from '../../mail/mime/header.ts'
import { parseMime } from '../../mail/mime/mime.ts'
import { insertForwardedMails, type ForwardedMail } from '../../store/mail/forwarded-mails.ts'
import { accountScopedKey, type LoadedLedgerState } from '../../store/facts/ledger-state.ts'
import { createBatcher } from '../batcher.ts'
import type { Context } from '../context.ts'
import { contentDigestOf, reportDigest, type IncomingMail } from '../receive/incoming-mail.ts'
import { oncePerData } from '../receive/once-per-data.ts'
import { transact } from '../transact.ts'

export type ForwardReceiver = {
  /** Whether the domain of an address is assigned to an account that is not blocked. Faults: store_busy. */
  readonly accepts: (to: string) => Promise<boolean>
  /** Stores a mail. Resolves to false, and stores nothing, if no account accepts it. Idempotent. Faults: store_busy. */
  readonly submit: (mail: IncomingMail) => Promise<boolean>
  /** Resolves when no mail is being stored. */
  readonly waitUntilIdle: () => Promise<void>
}

type ForwardItem = { readonly mail: IncomingMail; readonly account: number; readonly domain: string; readonly digest: string }

/** The same limits as in service/receive/receive, for the same reason. */
const MAX_MAILS = 200
const MAX_BYTES = 4_194_304

export function createForwardReceiver(context: Context): ForwardReceiver {
  const accountOf = async (domain: string): Promise<number | null> => {
    const snapshot = await context.accountCache.snapshot()
    const account = snapshot.forwardDomains.get(domain) ?? null
    return account === null || snapshot.blocks.isMailBlocked({ account, deliveryId: null }) ? null : account
  }
  const batcher = createBatcher<ForwardItem, boolean>({
    maxItems: MAX_MAILS,
    maxBytes: MAX_BYTES,
    bytesOf: ({ mail }) => mail.raw,
    accountOf: ({ account }) => account,
    maxConcurrent: 1,
    processBatch: (items) => saveBatch(context, items),
    handleFailedItem: (_item, error) => Promise.reject(error),
  })
  return {
    accepts: async (to) => (await accountOf(domainOf(to))) !== null,
    submit: async (mail) => {
      const domain = domainOf(mail.envelope.to)
      const account = await accountOf(domain)
      if (account === null) return false
      const digest = reportDigest(mail.dataDigest, mail.envelope.to)
      const isNew = await batcher.submit({ mail, account, domain, digest })
      context.telemetry.count('bounced_inbound_mails_total', { outcome: isNew ? 'taken' : 'repeated' })
      context.telemetry.log.info({ sessionId: mail.sessionId, digest, account, repeated: !isNew }, 'forwarded mail accepted')
      return true
    },
    waitUntilIdle: batcher.waitUntilIdle,
  }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** Stores all items in one transaction. Resolves to whether each of them was new. */
async function saveBatch(context: Context, items: readonly ForwardItem[]): Promise<readonly boolean[]> {
  const messageIds = items.map(({ mail }) => referencedMessageIds(mail))
  const needs = {
    subjects: items.map(({ account, digest }) => ({ account, subject: `mail:${digest}` })),
    messageIdHeaders: items.flatMap(({ account }, n) => (messageIds[n] ?? []).map((messageIdHeader) => ({ account, messageIdHeader }))),
  }
  return transact(context, needs, async (transaction) => {
    const batch = createFactBatch(transaction.ledgerState)
    const areNew = items.map((item, n) =>
      batch.add(forwardFactOf(context, item, referencedDelivery(transaction, item.account, messageIds[n] ?? []))),
    )
    await insertForwardedMails(transaction.db, items.filter((_, n) => areNew[n]).map(forwardedMailOf))
    return { result: areNew, facts: batch.facts }
  })
}

function forwardFactOf(
  { ids }: Context,
  { mail, account, domain, digest }: ForwardItem,
  deliveryId: string | null,
): ReturnType<typeof createFact<'route'>> {
  const { at, receivedAt, size, truncated } = mail
  return createFact('route', aboutMail(account, digest, deliveryId), { at, receivedAt, ids }, { digest, domain, size, truncated })
}

function forwardedMailOf({ mail, account, digest }: ForwardItem): ForwardedMail & { readonly content: string } {
  const { receivedAt, size, truncated, peer, envelope, raw } = mail
  return {
    account,
    digest,
    receivedAt,
    size,
    truncated,
    mailFrom: envelope.from,
    rcptTo: envelope.to,
    peer,
    body: raw,
    content: contentDigestOf(mail),
  }
}

/** The last Message-IDs of a thread; older ones are ignored. */
const MAX_MESSAGE_IDS = 20
/** Only this much of a mail is parsed for its header fields. */
const HEADER_BYTES = 65_536

/** The Message-IDs in References and In-Reply-To, the most recent first. Total. RFC 5322 §3.6.4. */
const referencedMessageIds = oncePerData(({ raw }: Pick<IncomingMail, 'raw'>): readonly string[] => {
  const { headers } = parseMime(raw.subarray(0, HEADER_BYTES), { isShallow: true }).root
  const fields = [getRawHeader(headers, 'references') ?? '', getRawHeader(headers, 'in-reply-to') ?? ''].join(' ')
  return [...new Set(fields.match(/<[^<>\s]{1,990}>/g)?.map(bareMessageId))].toReversed().slice(0, MAX_MESSAGE_IDS)
})

/** The delivery that the mail replies to. A Message-ID that belongs to two deliveries identifies neither. */
function referencedDelivery({ byMessageIdHeader }: LoadedLedgerState, account: number, ids: readonly string[]): string | null {
  const found = ids.map((id) => byMessageIdHeader.get(accountScopedKey(account, id)) ?? []).find((rows) => rows.length === 1)
  return found?.[0]?.deliveryId ?? null
}
