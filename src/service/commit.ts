/**
 * commit - saves a ledger state together with the webhook events that its new facts cause
 *
 * See also: service/transact (which most code calls instead), store/facts/ledger-state, store/webhook/outbox, webhook/payload.
 */
import { webhookEventOf, isSubscribedToApiUser } from '../webhook/payload.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { LedgerState } from '../ledger/project/state.ts'
import { listEndpointsOfAccounts, type Endpoint } from '../store/webhook/endpoints.ts'
import type { Database } from '../store/engine/engine.ts'
import { createOutboxRow } from '../store/webhook/outbox.ts'
import { saveLedgerState, type AccompanyingRows } from '../store/facts/ledger-state.ts'
import { recordLateFeedback } from './deliver/late-feedback.ts'
import type { Trace, TraceSubject } from '../trace.ts'

type CommitOptions = Pick<AccompanyingRows, 'reports' | 'rawMails'> & {
  /** Epoch ms: when the outbox rows are created and due. */
  readonly now: number
  /** Whether a fact may notify webhook endpoints. A replay or a reclassification notifies none. */
  readonly notify: (fact: Fact) => boolean
  /** Local IP addresses of the delivery queue, which then receives late bounces and complaints. Absent where nothing is delivered. */
  readonly egressIps?: ReadonlySet<string> | undefined
  /** Publishes the webhook events that are queued. */
  readonly trace?: Trace
}

/** Saves a ledger state and its outbox rows. Call it in the transaction that loaded the state. */
export async function commitLedgerState(
  db: Database,
  ledgerState: LedgerState,
  { now, notify, egressIps, trace, ...extras }: CommitOptions,
): Promise<void> {
  const notifiedFacts = ledgerState.newFacts.filter((fact) => fact.account !== 0 && notify(fact))
  const endpoints =
    notifiedFacts.length === 0 ? [] : await listEndpointsOfAccounts(db, [...new Set(notifiedFacts.map(({ account }) => account))])
  const queued = notifiedFacts.flatMap((fact) =>
    endpoints.filter((each) => isSubscribed(each, fact, ledgerState)).map(({ endpointId }) => ({ fact, endpointId })),
  )
  const outbox = queued.map(({ fact, endpointId }) => createOutboxRow(fact, endpointId, now))
  for (const { fact, endpointId } of queued)
    trace?.publish('webhook.queued', subjectOf(fact, ledgerState), () => ({ endpoint: endpointId, eventId: fact.id }))
  await saveLedgerState(db, ledgerState, { ...extras, outbox })
  await recordLateFeedback(db, ledgerState, egressIps)
}

const subjectOf = ({ deliveryId }: Fact, { deliveries }: LedgerState): TraceSubject => ({
  deliveryId,
  domains: [deliveryId === null ? null : (deliveries.get(deliveryId)?.domain ?? null)],
})

function isSubscribed(endpoint: Endpoint, fact: Fact, ledgerState: LedgerState): boolean {
  const event = webhookEventOf(fact)
  if (event === null || !endpoint.enabled || endpoint.account !== fact.account || !endpoint.events.includes(event)) return false
  return isSubscribedToApiUser(endpoint, fact.deliveryId === null ? null : (ledgerState.deliveries.get(fact.deliveryId) ?? null))
}
