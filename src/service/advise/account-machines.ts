/**
 * account-machines - the advice machines of all accounts, and which of their rows have changed since they were stored
 *
 * No I/O. See also: queue/advice/advice-machine, service/advise/adviser, store/queue/advice.
 */
import { type Advice, adviceOf } from '../../queue/advice/advice.ts'
import {
  type AdviceMachine,
  createAdviceMachine,
  isIdle,
  restoreAdvice,
  snapshotAdvice,
  type StoredAdvice,
} from '../../queue/advice/advice-machine.ts'
import type { BackoffPolicy } from '../../queue/backoff/policy.ts'
import type { AdviceRow } from '../../store/queue/advice.ts'

type RowId = Pick<AdviceRow, 'account' | 'key' | 'name'>
export type AdviceChanges = { readonly rows: readonly AdviceRow[]; readonly removed: readonly RowId[] }

/** What a row stores: the episode for the next holder, and the advice for readers. */
type RowData = { readonly stored: StoredAdvice; readonly advice: Advice }

export type AccountMachines = {
  readonly machines: () => Iterable<readonly [number, AdviceMachine]>
  /** The machine of an account, created where there is none. */
  readonly machineOf: (account: number) => AdviceMachine
  readonly restore: (rows: readonly AdviceRow[], now: number) => void
  /** The rows whose advice has changed, those whose counts have not been stored for a while, and those that are no longer needed. */
  readonly collectChanges: (now: number) => AdviceChanges
  readonly markSaved: (changes: AdviceChanges, now: number) => void
  /** How many accounts have a machine. */
  readonly size: () => number
  /** How many keys are stopped or slowed down. */
  readonly countLimited: () => number
}

/** A restart loses the counts of so long at most. */
const COUNTS_INTERVAL_MS = 30_000

type SavedRow = { readonly row: AdviceRow; readonly shown: string; readonly savedAt: number; readonly isLimited: boolean }

const idOf = ({ account, key, name }: RowId): string => `${account} ${key} ${name}`

/** What a reader acts on. Further evidence of a state that stays, and the order of the domains, are no news. */
const shownOf = ({ evidence: _evidence, ...advice }: Advice): string => JSON.stringify({ ...advice, domains: advice.domains.toSorted() })

/** What the store holds, as far as this node knows. */
type SavedRows = { readonly rows: Map<string, SavedRow>; version: number }

/** No machine yet. The seed decides the jitter of pauses. */
export function createAccountMachines(policy: BackoffPolicy, seed: number): AccountMachines {
  const machines = new Map<number, AdviceMachine>()
  const saved: SavedRows = { rows: new Map(), version: 0 }
  const machineOf = (account: number): AdviceMachine => {
    const machine = machines.get(account) ?? createAdviceMachine(policy, seed)
    machines.set(account, machine)
    return machine
  }
  return {
    machines: () => machines,
    machineOf,
    restore: (rows, now) => {
      for (const [account, ofAccount] of Map.groupBy(rows, (row) => row.account)) {
        const stored = ofAccount.map((row) => readData(row).stored)
        restoreAdvice(machineOf(account), stored, now)
      }
      for (const row of rows) noteSaved(saved, row, now)
    },
    collectChanges: (now) => {
      for (const [account, machine] of machines) if (isIdle(machine)) machines.delete(account)
      const present = [...machines].flatMap(([account, machine]) => rowsOf(policy, account, machine))
      return changesOf(saved, present, now)
    },
    markSaved: ({ rows, removed }, now) => {
      for (const row of rows) noteSaved(saved, row, now)
      for (const row of removed) saved.rows.delete(idOf(row))
    },
    size: () => machines.size,
    countLimited: () => [...saved.rows.values()].filter(({ isLimited }) => isLimited).length,
  }
}

function noteSaved(saved: SavedRows, row: AdviceRow, savedAt: number): void {
  const { advice } = readData(row)
  saved.rows.set(idOf(row), { row, shown: shownOf(advice), savedAt, isLimited: advice.action !== 'open' })
  saved.version = Math.max(saved.version, row.version)
}

type PresentRow = { readonly id: RowId; readonly data: RowData }

function changesOf(saved: SavedRows, present: readonly PresentRow[], now: number): AdviceChanges {
  const next = Math.max(saved.version + 1, now)
  const rows = present.flatMap(({ id, data }): AdviceRow[] => {
    const before = saved.rows.get(idOf(id))
    const text = JSON.stringify(data)
    if (before?.row.data === text) return []
    const isNews = before?.shown !== shownOf(data.advice)
    if (before !== undefined && !isNews && now - before.savedAt < COUNTS_INTERVAL_MS) return []
    return [{ ...id, data: text, version: before === undefined || isNews ? next : before.row.version }]
  })
  const ids = new Set(present.map(({ id }) => idOf(id)))
  return { rows, removed: [...saved.rows].flatMap(([id, { row }]) => (ids.has(id) ? [] : [row])) }
}

function rowsOf(policy: BackoffPolicy, account: number, machine: AdviceMachine): PresentRow[] {
  return snapshotAdvice(machine).flatMap((stored) => {
    const advice = adviceOf(policy, stored)
    return advice === null ? [] : [{ id: { account, key: advice.key, name: advice.class }, data: { stored, advice } }]
  })
}

/** Checked cast: only collectChanges writes the data. */
const readData = ({ data }: AdviceRow): RowData => JSON.parse(data) as RowData

/** The advice of a row. */
export const readAdvice = (row: AdviceRow): Advice => readData(row).advice
