/**
 * retirement-run - one run of retention: what is old, what was removed, and the pace of its steps
 *
 * See also: service/admin/retire, service/admin/retire-months.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../context.ts'
import type { RetirementClock } from './retirement-clock.ts'

type Counts = { deliveries: number; facts: number; mails: number; events: number; remains: number }

export const zeroCounts = (): Counts => ({ deliveries: 0, facts: 0, mails: 0, events: 0, remains: 0 })

export type RetireRun = Pick<RetirementClock, 'before' | 'isHeld' | 'firstValidId'> & {
  readonly context: Context
  readonly counts: Counts
  /** `isPostponed`: a partition was in use, so that a later run drops it. */
  readonly state: { isPostponed: boolean }
  readonly shouldStop: () => boolean
}

/** The shortest delay between two steps, so that other writes can run in between. */
const MIN_STEP_DELAY_MS = 5

export const accountsOf = async (context: Context): Promise<readonly number[]> =>
  (await context.accountCache.snapshot()).accounts.map(({ account }) => account)

/** Runs one step, then sleeps as long as the step took. Resolves to false if the run must stop. */
export async function runStep({ shouldStop }: RetireRun, work: () => Promise<void>): Promise<boolean> {
  const startedAt = performance.now()
  await work()
  if (shouldStop()) return false
  await sleep(Math.max(MIN_STEP_DELAY_MS, performance.now() - startedAt))
  return true
}
