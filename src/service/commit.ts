/**
 * commit - saves a ledger state together with the webhook events that its new facts cause
 *
 * See also: service/transact (which most code calls instead), store/facts/ledger-state, store/webhook/outbox, webhook/payload.
 */
import { hasWordFor } from '../webhook/payload-format.ts'
import { webhookEventOf, isSubscribedToApiUser } from '../webhook/payload.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { LedgerState } from '../ledger/project/state.ts'
import { listEndpointsOfAccounts, type Endpoint } from '../store/webhook/endpoints.ts'
import type { Database } from '../store/engine/engine.ts'
import { createOutboxRow } from '../store/webhook/outbox.ts'
import { saveLedgerState, type AccompanyingRows } from '../store/facts/ledger-state.ts'
import { recordLateFeedback } from './deliver/late-feedback.ts'

type CommitOptions = Pick<AccompanyingRows, 'reports' | 'rawMails' | 'pendingVerifications'> & {
  /** When the outbox rows are created, and due (epoch ms). */
  readonly now: number
  /** Whether a fact may notify webhook endpoints. A replay or a reclassification notifies none. */
  readonly notify: (fact: Fact) => boolean
  /** Local IP addresses of the delivery queue, which then receives late bounces and complaints. Absent where nothing is delivered. */
  readonly egressIps?: ReadonlySet<string> | undefined
  /** Endpoints that this transaction has loaded; those of other accounts are loaded when they are needed. */
  readonly endpoints?: LoadedEndpoints
}

/** Webhook endpoints, and the accounts of which they are all. */
export type LoadedEndpoints = { readonly accounts: ReadonlySet<number>; readonly endpoints: readonly Endpoint[] }

const NO_ENDPOINTS: LoadedEndpoints = { accounts: new Set(), endpoints: [] }

/** A fact that waits in the outbox for an endpoint. */
export type QueuedWebhook = { readonly fact: Fact; readonly endpointId: number }

/**
 * Saves a ledger state and its outbox rows, and resolves to what the outbox rows are about. Call it last in the transaction that loaded the state:
 * the commit travels with its writes.
 */
export async function commitLedgerState(
  db: Database,
  ledgerState: LedgerState,
  { now, notify, egressIps, endpoints: known = NO_ENDPOINTS, ...extras }: CommitOptions,
): Promise<readonly QueuedWebhook[]> {
  const notifiedFacts = ledgerState.newFacts.filter((fact) => fact.account !== 0 && notify(fact))
  const accounts = [...new Set(notifiedFacts.map(({ account }) => account))]
  const missing = accounts.filter((account) => !known.accounts.has(account))
  const endpoints = missing.length === 0 ? known.endpoints : [...known.endpoints, ...(await listEndpointsOfAccounts(db, missing))]
  const queued = notifiedFacts.flatMap((fact) =>
    endpoints.filter((each) => isSubscribed(each, fact, ledgerState)).map(({ endpointId }) => ({ fact, endpointId })),
  )
  const outbox = queued.map(({ fact, endpointId }) => createOutboxRow(fact, endpointId, now))
  db.commitWith(Promise.all([saveLedgerState(db, ledgerState, { ...extras, outbox }), recordLateFeedback(db, ledgerState, egressIps)]))
  return queued
}

function isSubscribed(endpoint: Endpoint, fact: Fact, ledgerState: LedgerState): boolean {
  const event = webhookEventOf(fact)
  if (event === null || !endpoint.enabled || endpoint.account !== fact.account || !endpoint.events.includes(event)) return false
  if (!hasWordFor(endpoint.format, event)) return false
  return isSubscribedToApiUser(endpoint, fact.deliveryId === null ? null : (ledgerState.deliveries.get(fact.deliveryId) ?? null))
}
