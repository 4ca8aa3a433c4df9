/**
 * forward-domains - which domains take mail for which account, and the mails that came
 *
 * Only an operator gives a domain to an account: whoever could claim any would read the mail of all. Each change is audited.
 *
 * See also: service/forward/forward-mail (who takes the mail), http/api/forwarded-mails, commands/account/inbound.
 */
import type { MailLinkSigner } from '../../mail-auth/signed-mail-link.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../ledger/account-settings.ts'
import { createLedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import {
  insertForwardDomain,
  listForwardDomains,
  listForwardDomainsForOperator,
  deleteForwardDomainForOperator,
  type ForwardDomain,
} from '../../store/mail/forward-domains.ts'
import { findForwardedMail, listForwardedMails, type ForwardedMail, type ForwardedMailSummary } from '../../store/mail/forwarded-mails.ts'
import { commitLedgerState } from '../commit.ts'
import type { Context } from '../context.ts'

export type ForwardedMailPage = { readonly limit: number; readonly after: Pick<ForwardedMail, 'receivedAt' | 'digest'> | null }

export type ForwardService = {
  /** Account null: everybody's. */
  readonly domains: (account: number | null) => Promise<readonly ForwardDomain[]>
  readonly mails: (account: number, page: ForwardedMailPage) => Promise<readonly ForwardedMailSummary[]>
  /** A mail's bytes, or null. */
  readonly rawMail: (account: number, digest: string) => Promise<Uint8Array | null>
  readonly isValidLink: MailLinkSigner['isValid']
  /** False: the account had it. Faults: bad_request (no domain, or one of ours), conflict (another account's). */
  readonly addDomain: (account: number, domain: string) => Promise<boolean>
  /** False: nobody had it. */
  readonly removeDomain: (domain: string) => Promise<boolean>
}

export function createForwardService(context: Context, links: Pick<MailLinkSigner, 'isValid'>): ForwardService {
  const { engine } = context
  return {
    domains: (account) => (account === null ? listForwardDomainsForOperator(engine.read) : listForwardDomains(engine.read, account)),
    mails: (account, page) => listForwardedMails(engine.read, account, page),
    rawMail: async (account, digest) => (await findForwardedMail(engine.read, account, digest))?.body ?? null,
    isValidLink: links.isValid,
    addDomain: (account, domain) => addForwardDomain(context, account, domain),
    removeDomain: (domain) => removeForwardDomain(context, domain),
  }
}

const DOMAIN_PATTERN = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/

/** Gives a domain to an account, as {@link ForwardService.addDomain}. */
export async function addForwardDomain(context: Context, account: number, name: string): Promise<boolean> {
  const domain = name.trim().toLowerCase().replace(/\.$/, '')
  const { returnPath, feedback } = context.domains
  if (!DOMAIN_PATTERN.test(domain)) throw new Fault('bad_request', 'that is no domain in its ASCII form (A-label)')
  if ([...returnPath, ...feedback].includes(domain))
    throw new Fault('bad_request', `${domain} takes reports: routed mail needs a domain of its own`)
  const added = await context.engine.tx(async (db) => {
    const isNew = await insertForwardDomain(db, { account, domain, createdAt: context.now() })
    if (isNew) await writeAudit(context, db, { account, what: 'route.add', domain })
    const ownDomain = (await listForwardDomains(db, account)).find((each) => each.domain === domain)
    if (ownDomain === undefined) throw new Fault('conflict', `${domain} is another account's`)
    return isNew
  })
  context.accountCache.invalidate()
  return added
}

/** Takes a domain from its account, as {@link ForwardService.removeDomain}. */
export async function removeForwardDomain(context: Context, name: string): Promise<boolean> {
  const domain = name.trim().toLowerCase().replace(/\.$/, '')
  const account = await context.engine.tx(async (db) => {
    const owner = await deleteForwardDomainForOperator(db, domain)
    if (owner !== null) await writeAudit(context, db, { account: owner, what: 'route.remove', domain })
    return owner
  })
  context.accountCache.invalidate()
  return account !== null
}

async function writeAudit(
  context: Context,
  db: Database,
  { account, what: action, domain }: { account: number; what: string; domain: string },
): Promise<void> {
  const now = context.now()
  const actionContext = { actor: 'operator', settings: DEFAULT_ACCOUNT_SETTINGS, moment: { at: now, receivedAt: now, ids: context.ids } }
  const ledgerState = createLedgerState()
  applyFacts(ledgerState, [createAuditFact(account, action, { domain }, actionContext)])
  await commitLedgerState(db, ledgerState, { now, notify: () => false })
}
