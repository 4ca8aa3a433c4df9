/**
 * transact - the one way to change the ledger: load, decide, apply, commit, then report
 *
 * One call is one database transaction:
 *
 * 1. Loads and locks what `needs` names (store/facts/ledger-state).
 * 2. Calls `decide`, which creates facts and may write rows of its own through `db`.
 * 3. Applies the facts, saves them with their projections, and adds the webhook events that they cause to the outbox.
 * 4. After the commit, and only then, logs alarms, counts them, and publishes the facts and the queued webhook events to the trace.
 *
 * If `decide` throws, nothing is stored and nothing is logged. After a serialization failure the engine runs steps 1 to 3 again from the
 * start, so `decide` must have no effect outside the transaction.
 *
 * See also: service/commit (step 3), service/alarm-log and service/trace-facts (step 4), store/engine/engine (isolation and retries).
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { FactMoment } from '../ledger/facts/new-fact.ts'
import { applyFacts } from '../ledger/project/fold.ts'
import type { Database, TransactionOptions } from '../store/engine/engine.ts'
import { loadLedgerState, type AccompanyingRows, type LedgerStateNeeds, type LoadedLedgerState } from '../store/facts/ledger-state.ts'
import { listEndpointsOfAccounts } from '../store/webhook/endpoints.ts'
import { logAlarms } from './alarm-log.ts'
import { commitLedgerState, type LoadedEndpoints } from './commit.ts'
import { traceFacts, traceQueuedWebhooks, type FactOrigin } from './trace-facts.ts'
import type { Context } from './context.ts'

/** What `decide` works with: the loaded ledger state and the running transaction. */
export type LedgerTransaction = LoadedLedgerState & {
  readonly db: Database
  /** The present moment, for facts about something that happens now. Read again when the transaction runs again. */
  readonly moment: FactMoment
  /** Applies facts to `ledgerState` at once, so that later decisions of this transaction see them. Returns how many were new. */
  readonly apply: (facts: readonly Fact[]) => number
}

/** What `decide` returns. */
export type Decision<Result> = Pick<AccompanyingRows, 'reports' | 'rawMails' | 'pendingVerifications'> & {
  /** What `transact` resolves to. */
  readonly result: Result
  /** Facts that are not applied yet. */
  readonly facts?: readonly Fact[]
  /** Whether a fact may notify webhook endpoints; by default every fact may. */
  readonly notify?: (fact: Fact) => boolean
  /** The session whose mail gave a fact, for the trace; by default there is none. */
  readonly originOf?: (fact: Fact) => FactOrigin | null
}

/** A function is called inside the transaction, when what to load depends on rows that it reads there. */
type Needs = LedgerStateNeeds | ((db: Database) => Promise<LedgerStateNeeds>)

/**
 * Runs one transaction and resolves to the result of `decide`. `needs` of `{}` loads nothing.
 * Faults: store_busy, conflict (after the last retry), and whatever `decide` throws.
 */
export async function transact<Result>(
  context: Context,
  needs: Needs,
  decide: (transaction: LedgerTransaction) => Decision<Result> | Promise<Decision<Result>>,
  options: TransactionOptions = {},
): Promise<Result> {
  let runs = 0
  const { result, facts, trace } = await context.engine.tx(async (db) => {
    runs += 1
    const needed = typeof needs === 'function' ? await needs(db) : needs
    const [endpoints, loaded] = await Promise.all([loadEndpoints(db, needed), loadLedgerState(db, needed)])
    const { ledgerState } = loaded
    const now = context.now()
    const moment = { at: now, receivedAt: now, ids: context.ids }
    const decision = await decide({ ...loaded, db, moment, apply: (applied) => applyFacts(ledgerState, applied) })
    applyFacts(ledgerState, decision.facts ?? [])
    const { reports, rawMails, pendingVerifications, notify = () => true } = decision
    const queued = await commitLedgerState(db, ledgerState, {
      now,
      notify,
      endpoints,
      egressIps: context.egressIps,
      ...(reports === undefined ? {} : { reports }),
      ...(rawMails === undefined ? {} : { rawMails }),
      ...(pendingVerifications === undefined ? {} : { pendingVerifications }),
    })
    return { result: decision.result, facts: ledgerState.newFacts, trace: { queued, ledgerState, originOf: decision.originOf } }
  }, options)
  logCommit(context, facts, runs)
  traceFacts(context.telemetry, facts, trace)
  traceQueuedWebhooks(context.telemetry, trace.queued, trace)
  return result
}

/** The endpoints of the accounts that the loaded deliveries belong to, so that they travel with them. */
async function loadEndpoints(db: Database, { deliveries = [] }: LedgerStateNeeds): Promise<LoadedEndpoints> {
  const accounts = new Set(deliveries.map(({ account }) => account).filter((account) => account !== 0))
  return { accounts, endpoints: await listEndpointsOfAccounts(db, [...accounts]) }
}

function logCommit({ telemetry }: Context, facts: readonly Fact[], runs: number): void {
  if (telemetry.log.isLevelEnabled('debug'))
    telemetry.log.debug({ runs, facts: facts.map(({ kind, id }) => `${kind} ${id}`) }, 'transaction committed')
  logAlarms(telemetry, facts)
}
