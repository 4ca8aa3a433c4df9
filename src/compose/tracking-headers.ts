/**
 * tracking-headers - the headers by which a copy is known again when it comes back
 *
 * A feedback id that is signed, where to complain, and how to be taken off: by mail and by one click. They are the same for a mail that is
 * registered and sent elsewhere and for one that our own queue sends.
 *
 * Pure. RFC 2369, RFC 8058 (List-Unsubscribe), RFC 9477 (CFBL). See also: correlate/token, service/submit/mail-tokens (who signs).
 */

/** What a copy is marked with. Tokens are signed; `messageId` stands without its brackets. */
export type TrackingIdentifiers = {
  readonly messageId: string
  readonly feedback: string
  readonly unsubscribe: string
  readonly feedbackDomain: string
  /** Without a slash at its end. */
  readonly publicUrl: string
}

/** Whose mail it is, for the pages of mailbox providers. */
export type FeedbackIdFields = {
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: string
  readonly apiUser: string
}

/** The marks in the order in which they are written. */
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

/** Four fields, the last of them the same for all mail of a sender: what Gmail's postmaster pages group by. */
function feedbackIdOf({ label, broadcast, emailType, apiUser }: FeedbackIdFields): string {
  const field = (text: string | null): string => (text ?? '').replaceAll(/[^\w.-]+/g, '-').slice(0, 64)
  return [field(label), field(broadcast), emailType, field(apiUser)].join(':')
}
