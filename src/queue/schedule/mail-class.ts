/**
 * mail-class - transactional before batch, with a share that batch keeps
 *
 * Where messages of both classes wait for the same place in the ring or for the same key, transactional goes first, but for the share of batch. What batch is
 * owed, or has had too much, adds up to two of its attempts only: after a time in which one class was alone, the other makes up for little.
 *
 * Pure. See also: queue/schedule/lane-shares (the rings), queue/schedule/waiting-streams (the keys), docs/SCHEDULER.md.
 */

/**
 * Transactional attempts for each attempt of batch, so that batch keeps one of five. A campaign then goes on at a fifth of the rate of a key that is full of
 * transactional mail, and a transactional message waits for two messages of batch at most.
 */
const TRANSACTIONAL_PER_BATCH = 4

/** With less, batch would lose its share where it cannot send in the moment in which it is next, because its messages wait at another key. */
const MAX_OWED = 2 * TRANSACTIONAL_PER_BATCH

/** Whether batch goes next where both classes wait. `owed`: in transactional attempts. */
export const isBatchNext = (owed: number): boolean => owed >= TRANSACTIONAL_PER_BATCH

/** What batch is owed after attempts of both classes. */
export const owedAfter = (owed: number, sent: { readonly transactional: number; readonly batch: number }): number =>
  Math.max(-MAX_OWED, Math.min(MAX_OWED, owed + sent.transactional - TRANSACTIONAL_PER_BATCH * sent.batch))

/** What batch is owed after one attempt of a class. */
export const owedAfterOne = (owed: number, isBatch: boolean): number =>
  owedAfter(owed, { transactional: isBatch ? 0 : 1, batch: isBatch ? 1 : 0 })

/** The one of two that goes next, each the first of its class; null: none waits. */
export const nextOfClasses = <T>(transactional: T | null, batch: T | null, owed: number): T | null =>
  batch !== null && (transactional === null || isBatchNext(owed)) ? batch : transactional
