/**
 * waiting-view - why a message waits, as the API shows it
 *
 * See also: queue/observe/waiting-reason, http/api/messages.
 */
import { z } from 'zod'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import { WAITING_STATES, type WaitingReason } from '../../queue/observe/waiting-reason.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'

export const waitingView = z.object({
  state: z
    .enum(WAITING_STATES)
    .describe(
      'sending: an attempt is in progress; scheduled: until its send time; deferred: until its retry; held: a closed key holds its lane; due: it waits for its share',
    ),
  text: z.string().describe('One sentence for people'),
  reason: z.string().nullable().describe('What holds or slows its lane, as in GET /v1/queue'),
  key: z.string().nullable(),
  class: z.string().nullable(),
  nextSendingAt: z.string().nullable().describe('Null: at once, or when a reply or a person opens the key'),
  attempts: z.int(),
  refusedBy: z.array(z.string()).describe('Egress IPs that were refused'),
  waiting: z.int().nullable().describe('Messages that wait in its lane'),
  evidence: z.array(z.object({ at: z.string(), code: z.int().nullable(), text: z.string().nullable() })),
})

/** The text of replies to messages of other accounts is left out. */
export function toWaitingView(account: number, waiting: WaitingReason | null): z.output<typeof waitingView> | null {
  if (waiting === null) return null
  const { nextSendingAt, refusedBy, evidence, ...others } = waiting
  return {
    ...others,
    nextSendingAt: toIsoTimestamp(nextSendingAt),
    refusedBy: [...refusedBy],
    evidence: evidenceFor(account, evidence).map(({ at, code, text }) => ({ at: toIsoTimestamp(at), code, text: text ?? null })),
  }
}
