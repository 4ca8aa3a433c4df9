/**
 * incoming-router - decides where mail for each recipient goes: to report processing or to an account's inbound domain
 *
 * | recipient                                   | RCPT TO     | after DATA                           |
 * |---------------------------------------------|-------------|--------------------------------------|
 * | `postmaster` without a domain               | accepted    | report processing                    |
 * | any address at a report domain              | accepted    | report processing                    |
 * | a VERP address of an account, `postmaster` and `abuse` at a VERP domain | accepted | report processing |
 * | any address at an account's inbound domain  | accepted    | the account's inbound mail           |
 * | any other address                           | 550 5.7.1   | report processing, kept in the inbox |
 *
 * The last row applies after DATA only when an account loses its domain between RCPT TO and the end of DATA.
 *
 * Each recipient is routed on its own, so one mail can go to both destinations. The mail is accepted when every recipient is
 * committed. If one fails, the whole mail is deferred; the sender's retry is harmless because both destinations ignore repeats.
 *
 * RFC 5321 §4.5.1 (postmaster). See also: smtp-server/report-session, service/receive/receive, service/forward/forward-mail.
 */
import type { TokenDomains } from '../correlate/references.ts'
import type { IncomingMail } from '../service/receive/incoming-mail.ts'
import { isReportRoleAddress } from '../service/receive/match-and-decide.ts'

type IncomingDestination = 'reports' | 'inbound'

export type IncomingRouter = {
  /** Returns where mail for an address goes, null when it is refused. Rejects when the inbound domains cannot be looked up. */
  readonly destinationOf: (recipient: string) => Promise<IncomingDestination | null>
  /** Returns whether an address is for the reports about one message: at a Return-Path domain or a VERP domain, and not a role mailbox (RFC 2142). */
  readonly isTokenAddress: (recipient: string) => boolean
  /** Hands over the mail of one recipient. Resolves when it is committed. Rejects with the Fault of its destination. */
  readonly submit: (mail: IncomingMail) => Promise<void>
}

type IncomingRouterOptions = {
  /** The Return-Path and feedback domains, lower case: both take reports. */
  readonly domains: TokenDomains
  /** Report processing. Resolves when the mail is committed. */
  readonly reports: { readonly submit: (mail: IncomingMail) => Promise<unknown> }
  /** Inbound mail of accounts; null when no account has a domain. `submit` resolves to false when no account owns the domain. */
  readonly inbound: {
    readonly accepts: (recipient: string) => Promise<boolean>
    readonly submit: (mail: IncomingMail) => Promise<boolean>
  } | null
  /** Whether an address at a VERP domain belongs to an account. Absent: there are no VERP domains. */
  readonly isVerpRecipient?: (recipient: string) => Promise<boolean>
}

type Route = { readonly destination: IncomingDestination; readonly matches: (recipient: string) => boolean | Promise<boolean> }

/** Creates the router. A report domain that is also an inbound domain takes reports: a lost bounce costs more than a lost copy. */
export function createIncomingRouter({ domains, reports, inbound, isVerpRecipient }: IncomingRouterOptions): IncomingRouter {
  const reportDomains = [...domains.returnPath, ...domains.feedback]
  const verpDomains = domains.verp ?? []
  const tokenDomains = [...domains.returnPath, ...verpDomains]
  /** The first route that matches decides. */
  const routes: readonly Route[] = [
    { destination: 'reports', matches: (recipient) => recipient.toLowerCase() === 'postmaster' },
    { destination: 'reports', matches: (recipient) => reportDomains.includes(domainOf(recipient) ?? '') },
    {
      destination: 'reports',
      matches: async (recipient) =>
        verpDomains.includes(domainOf(recipient) ?? '') &&
        (isReportRoleAddress(recipient) || (await isVerpRecipient?.(recipient)) === true),
    },
    { destination: 'inbound', matches: (recipient) => domainOf(recipient) !== null && (inbound?.accepts(recipient) ?? false) },
  ]
  const destinationOf = async (recipient: string): Promise<IncomingDestination | null> => {
    for (const { destination, matches } of routes) if (await matches(recipient)) return destination
    return null
  }
  return {
    destinationOf,
    isTokenAddress: (recipient) => tokenDomains.includes(domainOf(recipient) ?? '') && !isReportRoleAddress(recipient),
    submit: async (mail) => {
      const destination = await destinationOf(mail.envelope.to)
      const isInbound = destination === 'inbound' && (await inbound?.submit(mail)) === true
      if (!isInbound) await reports.submit(mail)
    },
  }
}

/** Returns the domain of an address in lower case, null when it has none. */
function domainOf(recipient: string): string | null {
  const at = recipient.lastIndexOf('@')
  return at < 0 ? null : recipient.slice(at + 1).toLowerCase()
}
