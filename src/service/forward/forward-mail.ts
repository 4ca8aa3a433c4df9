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
import { draftFor } from '../../ledger/facts/fact-batch.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { makeFact, ofMail } from '../../ledger/facts/new-fact.ts'
import { headerRaw } from '../../mail/mime/header.ts'
import { parseMime } from '../../mail/mime/mime.ts'
import { addRouteMails, type RouteMail } from '../../store/mail/forwarded-mails.ts'
import { doorKey, loadWorld, type Loaded } from '../../store/facts/ledger-state.ts'
import { createBatcher } from '../batcher.ts'
import { commitWorld } from '../commit.ts'
import { reportDigest, type IncomingMail } from '../receive/incoming-mail.ts'
import type { Shop } from '../context.ts'

export type RouteDoor = {
  /** Whether mail to an address is an account's. Faults: store_busy. */
  readonly takes: (to: string) => Promise<boolean>
  /** False: it is nobody's, and is not kept. Faults: store_busy. */
  readonly submit: (mail: IncomingMail) => Promise<boolean>
  /** Resolves when nothing is under way. */
  readonly idle: () => Promise<void>
}

type Item = { readonly mail: IncomingMail; readonly account: number; readonly domain: string; readonly digest: string }

/** As service/receive/receive: one durable commit for what came meanwhile, small enough to hold nobody up. */
const MAX_MAILS = 200
const MAX_BYTES = 4_194_304

export function createRouteDoor(shop: Shop): RouteDoor {
  const accountOf = async (domain: string): Promise<number | null> => {
    const page = await shop.book.open()
    const account = page.routes.get(domain) ?? null
    return account === null || page.cuts.holds({ account, deliveryId: null }) ? null : account
  }
  const batcher = createBatcher<Item, boolean>({
    maxItems: MAX_MAILS,
    maxBytes: MAX_BYTES,
    sizeOf: ({ mail }) => mail.raw.length,
    lanes: 1,
    work: (items) => keep(shop, items),
    culprit: (_item, error) => Promise.reject(error),
  })
  return {
    takes: async (to) => (await accountOf(domainOf(to))) !== null,
    submit: async (mail) => {
      const domain = domainOf(mail.envelope.to)
      const account = await accountOf(domain)
      if (account === null) return false
      const digest = reportDigest(mail.dataDigest, mail.envelope.to)
      const isNew = await batcher.submit({ mail, account, domain, digest })
      shop.telemetry.count('bounced_route_mails_total', { outcome: isNew ? 'taken' : 'repeated' })
      shop.telemetry.log.info({ sessionId: mail.sessionId, digest, account, repeated: !isNew }, 'mail for an account taken')
      return true
    },
    idle: batcher.idle,
  }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** One transaction over all items: which of them were new. */
async function keep(shop: Shop, items: readonly Item[]): Promise<readonly boolean[]> {
  const answered = items.map(({ mail }) => idsAnswered(mail.raw))
  return shop.engine.tx(async (db) => {
    const loaded = await loadWorld(db, {
      subjects: items.map(({ account, digest }) => ({ account, subject: `mail:${digest}` })),
      messageIdHeaders: items.flatMap(({ account }, n) => (answered[n] ?? []).map((messageIdHeader) => ({ account, messageIdHeader }))),
    })
    const draft = draftFor(loaded.world)
    const fresh = items.map((item, n) => draft.add(factOf(shop, item, deliveryOf(loaded, item.account, answered[n] ?? []))))
    applyFacts(loaded.world, draft.facts)
    await commitWorld(db, loaded.world, { now: shop.now(), notify: () => true })
    await addRouteMails(db, items.filter((_, n) => fresh[n]).map(rowOf))
    return fresh
  })
}

function factOf({ ids }: Shop, { mail, account, domain, digest }: Item, deliveryId: string | null): ReturnType<typeof makeFact<'route'>> {
  const { at, receivedAt, size, truncated } = mail
  return makeFact('route', ofMail(account, digest, deliveryId), { at, receivedAt, ids }, { digest, domain, size, truncated })
}

function rowOf({ mail, account, digest }: Item): RouteMail {
  const { receivedAt, size, truncated, peer, envelope, raw } = mail
  return { account, digest, receivedAt, size, truncated, mailFrom: envelope.from, rcptTo: envelope.to, peer, body: raw }
}

/** A conversation's head holds its last answers; a mail is not asked for more of them. */
const MAX_IDS = 20
const HEAD_BYTES = 65_536

/** Message-IDs that a mail says it answers, the nearest first. Total. */
function idsAnswered(raw: Uint8Array): readonly string[] {
  const { headers } = parseMime(raw.subarray(0, HEAD_BYTES), { isShallow: true }).root
  const fields = [headerRaw(headers, 'references') ?? '', headerRaw(headers, 'in-reply-to') ?? ''].join(' ')
  return [...new Set(fields.match(/<[^<>\s]{1,990}>/g)?.map(bareMessageId))].toReversed().slice(0, MAX_IDS)
}

/** The mail of ours that it answers; a Message-ID that two mails bear proves neither. */
function deliveryOf({ byMessageIdHeader }: Loaded, account: number, ids: readonly string[]): string | null {
  const found = ids.map((id) => byMessageIdHeader.get(doorKey(account, id)) ?? []).find((rows) => rows.length === 1)
  return found?.[0]?.deliveryId ?? null
}
