/**
 * forward-mail - mail that comes for an account at one of its own domains: kept, told to its endpoints, and no more
 *
 * Whatever it is, a bounce too, it is the account's mail and no report: no status and no list moves. `submit` resolves after the durable
 * commit of mail, fact and outbox; mails that wait at the same time share one. Nothing of the mail is read here but the Message-IDs that it
 * answers: a mail of ours among them is named beside it.
 *
 * See also: service/forward/forward-body (what the endpoints get), service/forward/forward-domains (domains), smtp-server/report-session, service/batcher.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { createFactBatch } from '../../ledger/facts/fact-batch.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { createFact, aboutMail } from '../../ledger/facts/new-fact.ts'
import { getRawHeader } from '../../mail/mime/header.ts'
import { parseMime } from '../../mail/mime/mime.ts'
import { insertForwardedMails, type ForwardedMail } from '../../store/mail/forwarded-mails.ts'
import { accountScopedKey, loadLedgerState, type LoadedLedgerState } from '../../store/facts/ledger-state.ts'
import { createBatcher } from '../batcher.ts'
import { commitLedgerState } from '../commit.ts'
import { reportDigest, type IncomingMail } from '../receive/incoming-mail.ts'
import type { Context } from '../context.ts'

export type ForwardReceiver = {
  /** Whether mail to an address is an account's. Faults: store_busy. */
  readonly accepts: (to: string) => Promise<boolean>
  /** False: it is nobody's, and is not kept. Faults: store_busy. */
  readonly submit: (mail: IncomingMail) => Promise<boolean>
  /** Resolves when nothing is under way. */
  readonly waitUntilIdle: () => Promise<void>
}

type ForwardItem = { readonly mail: IncomingMail; readonly account: number; readonly domain: string; readonly digest: string }

/** As service/receive/receive: one durable commit for what came meanwhile, small enough to hold nobody up. */
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
    sizeOf: ({ mail }) => mail.raw.length,
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
      context.telemetry.log.info({ sessionId: mail.sessionId, digest, account, repeated: !isNew }, 'mail for an account taken')
      return true
    },
    waitUntilIdle: batcher.waitUntilIdle,
  }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** One transaction over all items: which of them were new. */
async function saveBatch(context: Context, items: readonly ForwardItem[]): Promise<readonly boolean[]> {
  const messageIds = items.map(({ mail }) => referencedMessageIds(mail.raw))
  return context.engine.tx(async (db) => {
    const loaded = await loadLedgerState(db, {
      subjects: items.map(({ account, digest }) => ({ account, subject: `mail:${digest}` })),
      messageIdHeaders: items.flatMap(({ account }, n) => (messageIds[n] ?? []).map((messageIdHeader) => ({ account, messageIdHeader }))),
    })
    const draft = createFactBatch(loaded.ledgerState)
    const fresh = items.map((item, n) =>
      draft.add(forwardFactOf(context, item, referencedDelivery(loaded, item.account, messageIds[n] ?? []))),
    )
    applyFacts(loaded.ledgerState, draft.facts)
    await commitLedgerState(db, loaded.ledgerState, { now: context.now(), notify: () => true })
    await insertForwardedMails(db, items.filter((_, n) => fresh[n]).map(forwardedMailOf))
    return fresh
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

function forwardedMailOf({ mail, account, digest }: ForwardItem): ForwardedMail {
  const { receivedAt, size, truncated, peer, envelope, raw } = mail
  return { account, digest, receivedAt, size, truncated, mailFrom: envelope.from, rcptTo: envelope.to, peer, body: raw }
}

/** A conversation's head holds its last answers; a mail is not asked for more of them. */
const MAX_MESSAGE_IDS = 20
const HEADER_BYTES = 65_536

/** Message-IDs that a mail says it answers, the nearest first. Total. */
function referencedMessageIds(raw: Uint8Array): readonly string[] {
  const { headers } = parseMime(raw.subarray(0, HEADER_BYTES), { isShallow: true }).root
  const fields = [getRawHeader(headers, 'references') ?? '', getRawHeader(headers, 'in-reply-to') ?? ''].join(' ')
  return [...new Set(fields.match(/<[^<>\s]{1,990}>/g)?.map(bareMessageId))].toReversed().slice(0, MAX_MESSAGE_IDS)
}

/** The mail of ours that it answers; a Message-ID that two mails bear proves neither. */
function referencedDelivery({ byMessageIdHeader }: LoadedLedgerState, account: number, ids: readonly string[]): string | null {
  const found = ids.map((id) => byMessageIdHeader.get(accountScopedKey(account, id)) ?? []).find((rows) => rows.length === 1)
  return found?.[0]?.deliveryId ?? null
}
