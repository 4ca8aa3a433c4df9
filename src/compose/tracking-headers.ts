/**
 * tracking-headers - the headers that identify a copy when it comes back
 *
 * A signed feedback id, the address for complaints, and the ways to unsubscribe: by mail and by one click. They are the same for a mail
 * that is registered and sent elsewhere, and for a mail that our own queue sends.
 *
 * Pure. RFC 2369, RFC 8058 (List-Unsubscribe), RFC 9477 (CFBL). See also: correlate/token, service/submit/mail-tokens (signs the tokens).
 */

/** The identifiers of a copy. Tokens are signed; `messageId` has no brackets. */
type TrackingIdentifiers = {
  readonly messageId: string
  readonly feedback: string
  readonly unsubscribe: string
  readonly feedbackDomain: string
  /** Without a trailing slash. */
  readonly publicUrl: string
}

/** What mailbox providers group statistics by. */
type FeedbackIdFields = {
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: string
  readonly apiUser: string
}

/** The headers, in the order in which they are written. */
export function buildTrackingHeaders(
  { messageId, feedback, unsubscribe, feedbackDomain, publicUrl }: TrackingIdentifiers,
  feedbackIdFields: FeedbackIdFields,
): Readonly<Record<string, string>> {
  return {
    'Message-ID': `<${messageId}>`,
    'CFBL-Address': `fbl@${feedbackDomain}; report=arf`,
    'CFBL-Feedback-ID': feedback,
    'Feedback-ID': feedbackIdOf(feedbackIdFields),
    'List-Unsubscribe': `<mailto:${unsubscribe}@${feedbackDomain}?subject=unsubscribe>, <${publicUrl}/u/${unsubscribe}>`,
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  }
}

/** Four fields, the last of them the same for all mail of a sender: Gmail Postmaster Tools groups by it. */
function feedbackIdOf({ label, broadcast, emailType, apiUser }: FeedbackIdFields): string {
  const field = (text: string | null): string => (text ?? '').replaceAll(/[^\w.-]+/g, '-').slice(0, 64)
  return [field(label), field(broadcast), emailType, field(apiUser)].join(':')
}
