/**
 * trace-backoff - publishes the transitions of backoff keys to the trace, with the recipient domains that they affect
 *
 * See also: trace, service/deliver/affected-domains, service/deliver/observe/queue-telemetry (the caller).
 */
import type { Trace } from '../../../trace.ts'
import type { NotifiedTransition } from '../mail-update.ts'

/** Publishes one transition, or the start or end of a manual pause. Total. */
export function traceTransition(trace: Trace, { event, affected, domains }: NotifiedTransition): void {
  trace.publish('backoff.changed', { domains }, () => {
    const waiting = affected.reduce((sum, each) => sum + each.waiting, 0)
    if (event.kind === 'queue.manual') {
      const { account, domain, label, until, ended } = event
      return { account, domain, label, to: ended ? 'open' : 'manual', until: isoTimeOf(until), waiting }
    }
    const { key, class: name, from, to, nextSendingAt } = event
    return { key, class: name, from, to, nextSendingAt: isoTimeOf(nextSendingAt), waiting }
  })
}

const isoTimeOf = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())
