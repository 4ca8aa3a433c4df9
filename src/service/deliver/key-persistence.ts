/**
 * key-persistence - saves and restores the backoff keys of the queue
 *
 * Each episode of a key has a row under its class; what an operator has set and what the key has learnt is one more row. Keys with a transition are written in the
 * transaction of that transition. Counts, learnt rates and warm-ups change often and are written from time to time. A row is written only if its text has changed.
 *
 * See also: queue/snapshot, store/queue/backoff-keys, service/deliver/delivery-session.
 */
import type { BackoffEpisode } from '../../queue/backoff/backoff-episode.ts'
import type { BackoffKeyId } from '../../queue/backoff/backoff-key.ts'
import type { Queue } from '../../queue/queue.ts'
import { snapshotEpisodes, type KeyStateSnapshot, snapshotKeyStates, restoreEpisodes, restoreKeyStates } from '../../queue/snapshot.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { type BackoffKeyRow, listBackoffKeysForOperator } from '../../store/queue/backoff-keys.ts'

type KeyRowId = Pick<BackoffKeyRow, 'key' | 'name'>
export type KeyChanges = { readonly rows: readonly BackoffKeyRow[]; readonly removed: readonly KeyRowId[] }

export type KeyPersistence = {
  /** Restores the stored keys into an empty queue. Faults: store_busy. */
  readonly restore: (reader: DatabaseReader, queue: Queue, now: number) => Promise<void>
  /** The rows that have changed: of the given keys, or of all (null). */
  readonly collectChanges: (queue: Queue, keys: ReadonlySet<BackoffKeyId> | null) => KeyChanges
  /** Records that the changes are in the store. */
  readonly markSaved: (changes: KeyChanges) => void
}

/** Stored row names: a key's operator settings and learnt values (`gate` is its name in released stores), and the warm-up of an egress IP. */
const KEY_SETTINGS = 'gate'
const WARM_UP = 'warm-up'

const rowIdOf = ({ key, name }: KeyRowId): string => `${key} ${name}`

/** Creates a persistence that knows no rows yet; each session has its own. */
export function createKeyPersistence(): KeyPersistence {
  const saved = new Map<string, BackoffKeyRow>()
  return {
    restore: async (reader, queue, now) => {
      const rows = await listBackoffKeysForOperator(reader)
      for (const row of rows) saved.set(rowIdOf(row), row)
      restoreRows(queue, rows, now)
    },
    collectChanges: (queue, keys) => {
      if (keys?.size === 0) return { rows: [], removed: [] }
      const present = rowsOf(queue, keys)
      const presentIds = new Set(present.map(rowIdOf))
      return {
        rows: present.filter((row) => saved.get(rowIdOf(row))?.data !== row.data),
        removed: [...saved.values()].filter((row) => isCovered(row, keys) && !presentIds.has(rowIdOf(row))),
      }
    },
    markSaved: ({ rows, removed }) => {
      for (const row of rows) saved.set(rowIdOf(row), row)
      for (const row of removed) saved.delete(rowIdOf(row))
    },
  }
}

/** The row of a warm-up has an egress IP and no key, so it can be removed only when all keys are collected. */
const isCovered = ({ key, name }: KeyRowId, keys: ReadonlySet<BackoffKeyId> | null): boolean =>
  keys === null || (name !== WARM_UP && keys.has(key))

/** A key with occasional refusals and no transition needs no row. */
const isInsignificant = ({ state, n, rung }: BackoffEpisode): boolean => state === 'active' && n === 0 && rung === null

function rowsOf(queue: Queue, keys: ReadonlySet<BackoffKeyId> | null): BackoffKeyRow[] {
  const isSelected = ({ key }: { readonly key: BackoffKeyId }): boolean => keys === null || keys.has(key)
  const episodes = snapshotEpisodes(queue).filter((episode) => isSelected(episode) && !isInsignificant(episode))
  const keySettings = snapshotKeyStates(queue).filter(isSelected)
  return [
    ...episodes.map((episode) => ({ key: episode.key, name: episode.class, data: JSON.stringify(episode) })),
    ...keySettings.map((note) => ({ key: note.key, name: KEY_SETTINGS, data: JSON.stringify(note) })),
    ...[...queue.warmUps].map(([egressIp, startedAt]) => ({ key: egressIp, name: WARM_UP, data: String(startedAt) })),
  ]
}

// Checked cast: only rowsOf writes these rows.
function restoreRows(queue: Queue, rows: readonly BackoffKeyRow[], now: number): void {
  const named = (name: string): readonly BackoffKeyRow[] => rows.filter((row) => row.name === name)
  for (const { key, data } of named(WARM_UP)) queue.warmUps.set(key, Number(data))
  restoreKeyStates(
    queue,
    named(KEY_SETTINGS).map(({ data }) => JSON.parse(data) as KeyStateSnapshot),
    now,
  )
  const episodes = rows.filter(({ name }) => name !== KEY_SETTINGS && name !== WARM_UP)
  restoreEpisodes(
    queue,
    episodes.map(({ data }) => JSON.parse(data) as BackoffEpisode),
    now,
  )
}
