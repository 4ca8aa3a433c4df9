/**
 * adviser - works out the advice to MTAs that keep their own queues, on one node at a time
 *
 * The node with the lease `advice` has the machines of all accounts in memory. It reads the outcomes that any node has recorded, applies them, lets time pass, and
 * writes what changed in one transaction: the advice, the facts of the transitions, and the removal of the outcomes. The transaction checks the lease, so that a
 * node that was silent writes nothing over its successor's advice. If the store fails, the same changes are written again before anything else is read.
 *
 * The lease is taken when there is something to do, and released after a quiet time: an installation whose mail is all sent by our own queue writes nothing.
 *
 * See also: queue/advice/advice-machine, store/queue/advice, service/advise/reported-outcomes, store/engine/lease.
 */
import { randomUUID } from 'node:crypto'
import { isItemFault } from '../../errors.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { factKey } from '../../ledger/project/state.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import { advanceMachine, applyOutcome, recoverAdvice } from '../../queue/advice/advice-machine.ts'
import type { BackoffPolicy } from '../../queue/backoff/policy.ts'
import type { KeyTransition } from '../../queue/message.ts'
import { decideAdviceTransition } from '../../queue/observe/transition-facts.ts'
import {
  acquireLeaseForOperator,
  holdsLease,
  type Lease,
  releaseLeaseForOperator,
  renewLeaseForOperator,
} from '../../store/engine/lease.ts'
import { findFactsByKeyForOperator } from '../../store/facts/facts.ts'
import {
  type AdviceInputRow,
  listAdviceForOperator,
  listAdviceInputsForOperator,
  removeAdviceInputsForOperator,
  saveAdviceForOperator,
} from '../../store/queue/advice.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'
import { type AccountMachines, type AdviceChanges, createAccountMachines } from './account-machines.ts'
import { readInputRow } from './reported-outcomes.ts'

type Adviser = {
  /** One round; the result is whether more waits. Never rejects. */
  readonly tick: () => Promise<boolean>
  readonly start: () => void
  /** Ends the round that runs and releases the lease. Idempotent. */
  readonly close: () => Promise<void>
}

const LEASE_NAME = 'advice'
/** Another node takes over half a minute after this one has gone. */
const LEASE_MS = 30_000
const RENEW_BEFORE_MS = 20_000
/** An MTA asks every few seconds at most. */
const TICK_INTERVAL_MS = 1_000
/** Each row has the outcomes of one request. */
const INPUTS_PER_TICK = 200
/** Without outcomes and without advice for this long, the lease is free for others. */
const QUIET_MS = 300_000

type NotedTransition = { readonly account: number; readonly event: KeyTransition; readonly domains: readonly string[] }
type Pending = {
  readonly inputs: readonly AdviceInputRow[]
  readonly transitions: readonly NotedTransition[]
  readonly changes: AdviceChanges
}

type AdviserState = {
  readonly context: Context
  readonly policy: BackoffPolicy
  readonly holder: string
  /** On the clock for intervals; null: another node has it, or nothing was to do. */
  lease: Lease | null
  accounts: AccountMachines
  /** What the store has not confirmed. */
  pending: Pending | null
  busyAt: number
}

/** Creates the adviser. It does nothing until `tick` or `start` is called. */
export function createAdviser(context: Context, policy: BackoffPolicy): Adviser {
  const unknown = { lease: null, accounts: createAccountMachines(policy, 0), pending: null }
  const state: AdviserState = { context, policy, holder: randomUUID(), busyAt: context.elapsed(), ...unknown }
  let current: Promise<boolean> | null = null
  let timer: NodeJS.Timeout | undefined
  let isClosing = false
  const tick = async (): Promise<boolean> => {
    current ??= runTick(state)
      .catch((error: unknown) => {
        context.telemetry.log.error({ err: error }, 'advice to other MTAs could not be worked out; it will be tried again')
        return false
      })
      .finally(() => {
        current = null
      })
    return current
  }
  const readAll = async (): Promise<void> => {
    for (let isMore = true; isMore && !isClosing;) isMore = await tick()
  }
  return {
    tick,
    start: () => {
      timer ??= setInterval(() => void readAll(), TICK_INTERVAL_MS).unref()
    },
    close: async () => {
      isClosing = true
      clearInterval(timer)
      await current
      await release(state).catch((error: unknown) =>
        context.telemetry.log.error({ err: error }, 'the lease of advice could not be released'),
      )
    },
  }
}

async function runTick(state: AdviserState): Promise<boolean> {
  const { context } = state
  if (state.pending !== null) await writeOrSkip(state, state.pending)
  const inputs = await listAdviceInputsForOperator(context.engine.read, INPUTS_PER_TICK)
  if (!(await ensureLease(state, inputs.length > 0))) return false
  const now = context.now()
  const transitions = [...advanceAll(state.accounts, now), ...inputs.flatMap((row) => applyInput(state, row, now))]
  const changes = state.accounts.collectChanges(now)
  if (inputs.length > 0 || changes.rows.length > 0) state.busyAt = context.elapsed()
  if (inputs.length + transitions.length + changes.rows.length + changes.removed.length > 0) {
    state.pending = { inputs, transitions, changes }
    await writeOrSkip(state, state.pending)
  }
  context.telemetry.setGauge('bounced_advice_keys', state.lease === null ? 0 : state.accounts.countLimited())
  return inputs.length === INPUTS_PER_TICK
}

/** Time passes for every account. */
const advanceAll = (accounts: AccountMachines, now: number): NotedTransition[] =>
  [...accounts.machines()].flatMap(([account, machine]) => noted(accounts, account, advanceMachine(machine, now)))

/** A row that cannot be read teaches nothing, and is removed with the others. */
function applyInput({ accounts, context }: AdviserState, row: AdviceInputRow, now: number): NotedTransition[] {
  const { account, id } = row
  const machine = accounts.machineOf(account)
  try {
    const input = readInputRow(row)
    const events =
      'recover' in input
        ? recoverAdvice(machine, input.recover.key, input.recover.how, now)
        : input.outcomes.flatMap((outcome) => applyOutcome(machine, outcome, now))
    return noted(accounts, account, events)
  } catch (error) {
    context.telemetry.log.error({ err: error, account, id }, 'reported outcomes could not be read; they change no advice')
    return []
  }
}

const noted = (accounts: AccountMachines, account: number, events: readonly KeyTransition[]): NotedTransition[] =>
  events.map((event) => ({ account, event, domains: accounts.machineOf(account).domains.get(event.key) ?? [] }))

/** Where the store refuses what the changes hold, their inputs are skipped: they would keep all others back. Faults: store_busy, and the like. */
async function writeOrSkip(state: AdviserState, pending: Pending): Promise<void> {
  const { context } = state
  try {
    await writePending(state, pending)
  } catch (error) {
    if (!isItemFault(error)) throw error
    const { inputs } = pending
    context.telemetry.log.error({ err: error, inputs: inputs.map(({ id }) => id) }, 'advice cannot be stored; its outcomes are skipped')
    await context.engine.tx((db) => removeAdviceInputsForOperator(db, inputs))
    state.pending = null
    forget(state)
  }
}

/** Writes changes in one transaction. If the lease is lost, this node forgets what it knew, and the next holder reads the same outcomes. */
async function writePending(state: AdviserState, { inputs, transitions, changes }: Pending): Promise<void> {
  const { context, lease } = state
  const isHeld = await transact(
    context,
    {},
    async ({ db, moment, ledgerState }) => {
      if (lease === null || !(await holdsLease(db, lease))) return { result: false }
      await removeAdviceInputsForOperator(db, inputs)
      await saveAdviceForOperator(db, changes.rows, changes.removed)
      const facts = transitions.flatMap((transition) => factsOf(transition, moment))
      // An earlier commit may have had no answer.
      if (facts.length > 0) for (const known of await findFactsByKeyForOperator(db, facts)) ledgerState.seenKeys.add(factKey(known))
      return { result: true, facts }
    },
    { visibility: 'latest' },
  )
  state.pending = null
  if (!isHeld) return forget(state)
  state.accounts.markSaved(changes, context.now())
  for (const { event } of transitions) context.telemetry.count('bounced_advice_transitions_total', { to: event.to })
}

const factsOf = ({ account, event, domains }: NotedTransition, moment: FactMoment): FactOf<'queue' | 'alarm'>[] =>
  decideAdviceTransition(event, { account, domains }, moment)

function forget(state: AdviserState): void {
  state.lease = null
  state.accounts = createAccountMachines(state.policy, 0)
}

/** Whether this node has the lease. Takes it if there is something to do, and gives it back after a quiet time. */
async function ensureLease(state: AdviserState, hasInputs: boolean): Promise<boolean> {
  const { context, lease } = state
  const { elapsed } = context
  if (lease !== null && !hasInputs && state.accounts.size() === 0 && elapsed() - state.busyAt > QUIET_MS) {
    await release(state)
    return false
  }
  if (lease === null) return (hasInputs || (await hasAdvice(context))) && takeLease(state)
  if (elapsed() < lease.untilAt - RENEW_BEFORE_MS) return true
  const requestedAt = elapsed()
  const { name, term } = lease
  const isOurs = await context.engine.tx((db) => renewLeaseForOperator(db, { name, term, now: context.now(), leaseMs: LEASE_MS }), {
    visibility: 'latest',
  })
  if (!isOurs) forget(state)
  else state.lease = { ...lease, untilAt: requestedAt + LEASE_MS }
  return isOurs
}

const hasAdvice = async ({ engine }: Context): Promise<boolean> => (await engine.read.one('select 1 as n from mta_advice limit 1')) !== null

/** Takes the lease if it is free, and reads what the last holder knew. */
async function takeLease(state: AdviserState): Promise<boolean> {
  const { context, holder, policy } = state
  const requestedAt = context.elapsed()
  const request = { name: LEASE_NAME, holder, now: context.now(), leaseMs: LEASE_MS }
  const lease = await context.engine.tx((db) => acquireLeaseForOperator(db, request), { visibility: 'latest' })
  if (lease === null) return false
  const accounts = createAccountMachines(policy, lease.term)
  accounts.restore(await listAdviceForOperator(context.engine.read, 0), context.now())
  state.accounts = accounts
  state.lease = { ...lease, untilAt: requestedAt + LEASE_MS }
  state.busyAt = requestedAt
  context.telemetry.log.info({ term: lease.term }, 'this node works out the advice to other MTAs')
  return true
}

async function release(state: AdviserState): Promise<void> {
  const { context, lease } = state
  if (lease === null) return
  forget(state)
  await context.engine.tx((db) => releaseLeaseForOperator(db, lease), { visibility: 'latest' })
}
