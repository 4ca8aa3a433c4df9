/**
 * settled-attempt - what the end of an attempt means for the queue and for the timeline
 *
 * A message that could not be built is retried like one whose connection broke, and no backoff key learns of it; only when it expires, the timeline says why
 * it was never sent. An egress IP of another address family than the destination is skipped without an entry. See also: service/deliver/sender, service/deliver/delivery-session (settleAttempt), ledger/decide/attempt-reading.
 */
import type { MxSite } from '../../classify/mx-site.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import { NOT_COMPOSED_TEXT, readAttempt, readUncomposedAttempt, type RecordedAttempt } from '../../ledger/decide/attempt-reading.ts'
import type { AttemptResult, Dispatch, FinalOutcome } from '../../queue/message.ts'
import type { AttemptTransfer } from './mail-update.ts'
import type { SendOutcome } from './sender.ts'
import { otherSiteOf } from './shaping/mx-hosts.ts'

/** `readingFor` gives the entry of the timeline, which can depend on how the message ended; null: there is none. */
export type SettledAttempt = {
  readonly result: AttemptResult
  readonly readingFor: (end: FinalOutcome | null) => RecordedAttempt | null
  /** The site of the host that replied; null: that of the dispatch, or no host replied. */
  readonly otherSite: MxSite | null
  /** Null: nothing was sent. */
  readonly transfer: AttemptTransfer | null
}

/** Reads how an attempt ended. Total. */
export function readSendOutcome(table: RuleTable, dispatch: Dispatch, sent: SendOutcome): SettledAttempt {
  if (sent.kind === 'unsent') return { result: { kind: 'recalled' }, readingFor: () => null, otherSite: null, transfer: null }
  if (sent.kind === 'unbuilt') {
    const result = { kind: 'unreachable', how: 'dropped', text: NOT_COMPOSED_TEXT } as const
    return { result, readingFor: (end) => (end === null ? null : readUncomposedAttempt(dispatch, table)), otherSite: null, transfer: null }
  }
  const { result, ...attemptReading } = readAttempt(table, dispatch, sent.outcome)
  const isSkipped = result.kind === 'unreachable' && result.how === 'no-family' && dispatch.hasOtherIp
  const otherSite = sent.outcome.kind === 'reply' ? otherSiteOf(table, dispatch, sent.outcome.mx) : null
  return { result, readingFor: () => (isSkipped ? null : attemptReading), otherSite, transfer: sent.transfer }
}
