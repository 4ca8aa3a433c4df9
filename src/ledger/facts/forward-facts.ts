/**
 * forward-facts - mail that came for an account at one of its own domains, as a fact
 *
 * The mail itself lies beside the facts for a limited time; the fact holds nothing of it that an erasure would have to blank.
 *
 * Shape of ledger/facts/fact. Pure. See also: store/mail/forwarded-mails, service/forward/forward-mail.
 */

export type ForwardData = {
  /** Names the mail (store/mail/forwarded-mails). */
  readonly digest: string
  /** The domain that it came to. */
  readonly domain: string
  readonly size: number
  readonly truncated: boolean
}
