/**
 * forward-domains - assigns domains to accounts, which then receive the mail of these domains by webhook
 *
 * Only an operator assigns a domain: an account that could claim any domain could read the mail of others. Each change creates an audit
 * fact.
 *
 * See also: service/forward/forward-mail (receives the mail), http/api/forwarded-mails, commands/account/inbound.
 */
import type { MailLinkSigner } from '../../mail-auth/signed-mail-link.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import {
  insertForwardDomain,
  listForwardDomains,
  listForwardDomainsForOperator,
  deleteForwardDomainForOperator,
  type ForwardDomain,
} from '../../store/mail/forward-domains.ts'
import { findForwardedMail, listForwardedMails, type ForwardedMail, type ForwardedMailSummary } from '../../store/mail/forwarded-mails.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

type ForwardedMailPage = { readonly limit: number; readonly after: Pick<ForwardedMail, 'receivedAt' | 'digest'> | null }

export type ForwardService = {
  /** Lists the domains of an account, or of all accounts if `account` is null. */
  readonly domains: (account: number | null) => Promise<readonly ForwardDomain[]>
  readonly mails: (account: number, page: ForwardedMailPage) => Promise<readonly ForwardedMailSummary[]>
  /** The bytes of a mail; null if it is not stored. */
  readonly rawMail: (account: number, digest: string) => Promise<Uint8Array | null>
  readonly isValidLink: MailLinkSigner['isValid']
  /** Resolves to false if the account has the domain already. Faults: bad_request (malformed, or receives reports), conflict (taken). */
  readonly addDomain: (account: number, domain: string, actor: string) => Promise<boolean>
  /** Resolves to false if no account has the domain. */
  readonly removeDomain: (domain: string, actor: string) => Promise<boolean>
}

export function createForwardService(context: Context, links: Pick<MailLinkSigner, 'isValid'>): ForwardService {
  const { engine } = context
  return {
    domains: (account) => (account === null ? listForwardDomainsForOperator(engine.read) : listForwardDomains(engine.read, account)),
    mails: (account, page) => listForwardedMails(engine.read, account, page),
    rawMail: async (account, digest) => (await findForwardedMail(engine.read, account, digest))?.body ?? null,
    isValidLink: links.isValid,
    addDomain: (account, domain, actor) => addForwardDomain(context, account, domain, actor),
    removeDomain: (domain, actor) => removeForwardDomain(context, domain, actor),
  }
}

const DOMAIN_PATTERN = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/

/** Assigns a domain to an account, as {@link ForwardService.addDomain}. One transaction; idempotent. */
export async function addForwardDomain(context: Context, account: number, name: string, actor = 'operator'): Promise<boolean> {
  const domain = canonicalName(name)
  const { returnPath, feedback } = context.domains
  if (!DOMAIN_PATTERN.test(domain)) throw new Fault('bad_request', 'this is not a domain in ASCII form (A-labels)')
  if ([...returnPath, ...feedback].includes(domain))
    throw new Fault('bad_request', `${domain} receives reports: forwarded mail needs a domain of its own`)
  const isAdded = await transact(context, {}, async ({ db, moment }) => {
    const isNew = await insertForwardDomain(db, { account, domain, createdAt: moment.at })
    const ownDomain = (await listForwardDomains(db, account)).find((each) => each.domain === domain)
    if (ownDomain === undefined) throw new Fault('conflict', `${domain} belongs to another account`)
    return { result: isNew, facts: isNew ? [auditOf(account, moment, { action: 'route.add', domain, actor })] : [] }
  })
  context.accountCache.invalidate()
  return isAdded
}

/** Removes a domain from its account, as {@link ForwardService.removeDomain}. One transaction; idempotent. */
export async function removeForwardDomain(context: Context, name: string, actor = 'operator'): Promise<boolean> {
  const domain = canonicalName(name)
  const isRemoved = await transact(context, {}, async ({ db, moment }) => {
    const account = await deleteForwardDomainForOperator(db, domain)
    if (account === null) return { result: false }
    return { result: true, facts: [auditOf(account, moment, { action: 'route.remove', domain, actor })] }
  })
  context.accountCache.invalidate()
  return isRemoved
}

const canonicalName = (name: string): string => name.trim().toLowerCase().replace(/\.$/, '')

type ForwardAudit = { readonly action: string; readonly domain: string; readonly actor: string }

const auditOf = (account: number, moment: FactMoment, { action, domain, actor }: ForwardAudit): Fact =>
  createAuditFact(account, action, { domain }, { actor, moment })
