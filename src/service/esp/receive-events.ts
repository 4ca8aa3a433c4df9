/**
 * receive-events - takes one request of an ESP: finds its source, verifies it, records its events
 *
 * Resolves after the commit, so that an ESP which hears an error sends the request again.
 *
 * See also: service/esp/verify-request, service/esp/record-events, http/api/esp-events.
 */
import { Fault } from '../../errors.ts'
import { findEventSourceForOperator } from '../../store/account/event-sources.ts'
import type { EngagementService } from '../track/engagement-service.ts'
import { recordEvents, type RecordedState } from './record-events.ts'
import { verifyRequest, type EspRequest, type VerifyTools } from './verify-request.ts'

/** How many events of a request there were, by what became of them. `ignored`: without a meaning here. */
type ReceivedEvents = Readonly<Record<RecordedState | 'ignored', number>>

export type ReceiveEspEvents = (request: EspRequest) => Promise<ReceivedEvents>

const SOURCE_ID = /^[0-9a-f]{32}$/

/**
 * Creates the service. Faults of a call: not_found (no such source of this ESP), unauthenticated, bad_request (no JSON), overloaded (a certificate
 * cannot be loaded), store_busy.
 */
export function createReceiveEspEvents(tools: VerifyTools, engagement: EngagementService): ReceiveEspEvents {
  const { context } = tools
  return async (request) => {
    const { esp, sourceId } = request
    const source = SOURCE_ID.test(sourceId) ? await findEventSourceForOperator(context.engine.read, sourceId) : null
    const { accounts } = await context.accountCache.snapshot()
    const isOpen = accounts.some(({ account, closedAt }) => account === source?.account && closedAt === null)
    if (source?.esp !== esp || !isOpen)
      throw new Fault('not_found', 'no event source has this id: bounced event-source list shows the URLs')
    try {
      const { events, ignored } = await verifyRequest(tools, source, request)
      const { account } = source
      const states = await recordEvents(context, engagement, { account, esp, sourceId, events })
      const received = countStates(states, ignored)
      for (const [outcome, n] of Object.entries(received))
        if (n > 0) context.telemetry.count('bounced_esp_events_total', { esp, outcome }, n)
      context.telemetry.log.info({ account, esp, source: sourceId, ...received }, 'events received')
      return received
    } catch (error) {
      if (error instanceof Fault && error.code === 'unauthenticated')
        context.telemetry.count('bounced_esp_events_total', { esp, outcome: 'refused' })
      throw error
    }
  }
}

function countStates(states: readonly RecordedState[], ignored: number): ReceivedEvents {
  const count = (state: RecordedState): number => states.filter((each) => each === state).length
  return {
    recorded: count('recorded'),
    repeated: count('repeated'),
    inbox: count('inbox'),
    unmatched: count('unmatched'),
    unreadable: count('unreadable'),
    ignored,
  }
}
