/**
 * forward-domains - which domains take mail for which account, and the mails that came
 *
 * Only an operator gives a domain to an account: whoever could claim any would read the mail of all. Each change is audited.
 *
 * See also: service/forward/forward-mail (who takes the mail), http/api/forwarded-mails, commands/account/forward.
 */
import type { MailLinks } from '../../mail-auth/signed-mail-link.ts'
import { Fault } from '../../errors.ts'
import { audit } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_SETTINGS } from '../../ledger/account-settings.ts'
import { emptyWorld } from '../../ledger/project/state.ts'
import type { Db } from '../../store/engine/engine.ts'
import {
  addRouteDomain,
  listRouteDomains,
  listRouteDomainsForOperator,
  removeRouteDomainForOperator,
  type RouteDomain,
} from '../../store/mail/forward-domains.ts'
import { findRouteMail, pageRouteMails, type RouteMail, type RouteMailHead } from '../../store/mail/forwarded-mails.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'

export type RouteMailPage = { readonly limit: number; readonly after: Pick<RouteMail, 'receivedAt' | 'digest'> | null }

export type Routes = {
  /** Account null: everybody's. */
  readonly domains: (account: number | null) => Promise<readonly RouteDomain[]>
  readonly mails: (account: number, page: RouteMailPage) => Promise<readonly RouteMailHead[]>
  /** A mail's bytes, or null. */
  readonly raw: (account: number, digest: string) => Promise<Uint8Array | null>
  readonly isLinked: MailLinks['isGood']
  /** False: the account had it. Faults: bad_request (no domain, or one of ours), conflict (another account's). */
  readonly add: (account: number, domain: string) => Promise<boolean>
  /** False: nobody had it. */
  readonly remove: (domain: string) => Promise<boolean>
}

export function createRoutes(shop: Shop, links: Pick<MailLinks, 'isGood'>): Routes {
  const { engine } = shop
  return {
    domains: (account) => (account === null ? listRouteDomainsForOperator(engine.read) : listRouteDomains(engine.read, account)),
    mails: (account, page) => pageRouteMails(engine.read, account, page),
    raw: async (account, digest) => (await findRouteMail(engine.read, account, digest))?.body ?? null,
    isLinked: links.isGood,
    add: (account, domain) => addRoute(shop, account, domain),
    remove: (domain) => removeRoute(shop, domain),
  }
}

const DOMAIN = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/

/** Gives a domain to an account, as {@link Routes.add}. */
export async function addRoute(shop: Shop, account: number, name: string): Promise<boolean> {
  const domain = name.trim().toLowerCase().replace(/\.$/, '')
  const { returnPath, feedback } = shop.domains
  if (!DOMAIN.test(domain)) throw new Fault('bad_request', 'that is no domain in its ASCII form (A-label)')
  if ([...returnPath, ...feedback].includes(domain))
    throw new Fault('bad_request', `${domain} takes reports: routed mail needs a domain of its own`)
  const added = await shop.engine.tx(async (db) => {
    const isNew = await addRouteDomain(db, { account, domain, createdAt: shop.now() })
    if (isNew) await tell(shop, db, { account, what: 'route.add', domain })
    const holder = (await listRouteDomains(db, account)).find((each) => each.domain === domain)
    if (holder === undefined) throw new Fault('conflict', `${domain} is another account's`)
    return isNew
  })
  shop.book.turn()
  return added
}

/** Takes a domain from its account, as {@link Routes.remove}. */
export async function removeRoute(shop: Shop, name: string): Promise<boolean> {
  const domain = name.trim().toLowerCase().replace(/\.$/, '')
  const account = await shop.engine.tx(async (db) => {
    const had = await removeRouteDomainForOperator(db, domain)
    if (had !== null) await tell(shop, db, { account: had, what: 'route.remove', domain })
    return had
  })
  shop.book.turn()
  return account !== null
}

async function tell(shop: Shop, db: Db, { account, what, domain }: { account: number; what: string; domain: string }): Promise<void> {
  const now = shop.now()
  const hand = { actor: 'operator', settings: DEFAULT_SETTINGS, moment: { at: now, receivedAt: now, ids: shop.ids } }
  const world = emptyWorld()
  applyFacts(world, [audit(account, what, { domain }, hand)])
  await commitWorld(db, world, { now, notify: () => false })
}
