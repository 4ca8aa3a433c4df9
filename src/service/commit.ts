/**
 * commit - what was decided goes into the store, with the rows that tell the endpoints
 *
 * See also: store/facts/ledger-state (which writes), store/webhook/outbox, webhook/payload (what is an event).
 */
import { webhookEventOf, isSubscribedToApiUser } from '../webhook/payload.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { LedgerState } from '../ledger/project/state.ts'
import { listEndpointsOfAccounts, type Endpoint } from '../store/webhook/endpoints.ts'
import type { Database } from '../store/engine/engine.ts'
import { createOutboxRow } from '../store/webhook/outbox.ts'
import { saveLedgerState, type AccompanyingRows } from '../store/facts/ledger-state.ts'
import { recordLateFeedback } from './deliver/late-feedback.ts'

export type CommitOptions = Pick<AccompanyingRows, 'reports' | 'rawMails'> & {
  readonly now: number
  /** False: nobody is told (replay, reclassify). */
  readonly notify: (fact: Fact) => boolean
  /** The IPs that our own queue sends by: it is told what came back (service/deliver/late-feedback). Not given: it is not. */
  readonly egressIps?: ReadonlySet<string> | undefined
}

/** Saves a world and its outbox in the transaction that loaded it. */
export async function commitLedgerState(
  db: Database,
  ledgerState: LedgerState,
  { now, notify, egressIps, ...extras }: CommitOptions,
): Promise<void> {
  const notifiedFacts = ledgerState.newFacts.filter((fact) => fact.account !== 0 && notify(fact))
  const endpoints =
    notifiedFacts.length === 0 ? [] : await listEndpointsOfAccounts(db, [...new Set(notifiedFacts.map(({ account }) => account))])
  const outbox = notifiedFacts.flatMap((fact) =>
    endpoints.filter((each) => wants(each, fact, ledgerState)).map((each) => createOutboxRow(fact, each.endpointId, now)),
  )
  await saveLedgerState(db, ledgerState, { ...extras, outbox })
  await recordLateFeedback(db, ledgerState, egressIps)
}

function wants(endpoint: Endpoint, fact: Fact, ledgerState: LedgerState): boolean {
  const event = webhookEventOf(fact)
  if (event === null || !endpoint.enabled || endpoint.account !== fact.account || !endpoint.events.includes(event)) return false
  return isSubscribedToApiUser(endpoint, fact.deliveryId === null ? null : (ledgerState.deliveries.get(fact.deliveryId) ?? null))
}
