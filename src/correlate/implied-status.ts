/**
 * implied-status - the enhanced status code of a recipient, also where none was sent
 *
 * A code that was sent wins: the remote server's, then the report's, then the text's (mail/smtp/recipient-status). Otherwise the code follows from the
 * reason of the verdict, and `from` is `verdict`.
 *
 * RFC 3463, IANA registry of enhanced status codes.
 */
import type { Reason } from '../classify/reasons.ts'
import type { Verdict } from '../classify/verdict.ts'
import type { RecipientReport } from '../mail/report.ts'
import { selectEnhancedStatus } from '../mail/smtp/recipient-status.ts'

export type ImpliedStatus = { readonly status: string | null; readonly from: 'reply' | 'report' | 'text' | 'verdict' | null }

/** Subject and detail of each reason. The class is the first digit of the reply, else it follows from the permanence. */
const STATUS_DETAIL_BY_REASON = {
  'not-exist': '1.1',
  'domain-not-exist': '1.2',
  'format-error': '1.3',
  'mailbox-disabled': '2.1',
  'mailbox-full': '2.2',
  'recipient-refused': '2.0',
  policy: '7.1',
  'too-large': '3.4',
  spam: '7.1',
  virus: '7.1',
  'ip-blocked': '7.1',
  'domain-blocked': '7.1',
  'auth-failure': '7.26',
  'rate-limited': '7.28',
  greylisted: '7.1',
  'server-error': '3.0',
  unreachable: '4.1',
  expired: '4.7',
  blacklisted: '7.1',
  unsubscribed: '7.1',
  other: '0.0',
} as const satisfies Record<Reason, string>

/** The code that was sent, else the one that the verdict implies. Total. */
export function impliedStatus(recipient: RecipientReport, verdict: Verdict | null): ImpliedStatus {
  const { reply, status } = recipient
  const statedStatus = selectEnhancedStatus(recipient)
  if (statedStatus !== null)
    return { status: statedStatus, from: statedStatus === reply.status ? 'reply' : statedStatus === status ? 'report' : 'text' }
  if (verdict === null) return { status: null, from: null }
  const digit = reply.code === null ? (verdict.permanence === 'permanent' ? 5 : 4) : Math.floor(reply.code / 100)
  return { status: `${digit}.${STATUS_DETAIL_BY_REASON[verdict.reason]}`, from: 'verdict' }
}
