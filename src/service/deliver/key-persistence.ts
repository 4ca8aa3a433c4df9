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
import { holdsAllGroups, isWideKey, keyGroupOf, WIDE_KEYS_GROUP, type HeldGroups } from '../../queue/lane-group.ts'
import type { Queue } from '../../queue/queue.ts'
import { snapshotEpisodes, type KeyStateSnapshot, snapshotKeyStates, restoreEpisodes, restoreKeyStates } from '../../queue/snapshot.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { type BackoffKeyRow, listAccountKeysForOperator, listBackoffKeysForOperator } from '../../store/queue/backoff-keys.ts'

type KeyRowId = Pick<BackoffKeyRow, 'key' | 'name'>
export type KeyChanges = { readonly rows: readonly BackoffKeyRow[]; readonly removed: readonly BackoffKeyRow[] }

export type KeyPersistence = {
  /** Restores the stored keys of groups that the node has just acquired, and the keys wider than a site unless it wrote them. Faults: store_busy. */
  readonly restore: (reader: DatabaseReader, queue: Queue, acquired: AcquiredGroups) => Promise<void>
  /** Restores the account keys that other nodes have changed. Faults: store_busy. */
  readonly refreshAccounts: (reader: DatabaseReader, queue: Queue, now: number) => Promise<void>
  /** The rows that have changed: of the given keys, or of all keys of the held groups (null). */
  readonly collectChanges: (queue: Queue, keys: ReadonlySet<BackoffKeyId> | null, held: HeldGroups) => KeyChanges
  /** Records that the changes may be in the store from now on: their commit may have no answer. */
  readonly markSaving: (changes: KeyChanges) => void
  /** Records that the changes are in the store. */
  readonly markSaved: (changes: KeyChanges) => void
  /** Forgets the rows of groups that the node does not hold any more. */
  readonly release: (held: HeldGroups) => void
}

/** `isWideKeysWriter`: the node held the group that writes the wide keys already, so its own state is newer than the store. */
type AcquiredGroups = { readonly groups: HeldGroups; readonly isWideKeysWriter: boolean; readonly now: number }

/** Stored row names: a key's operator settings and learnt values (`gate` is its name in released stores), and the warm-up of an egress IP. */
const KEY_SETTINGS = 'gate'
const WARM_UP = 'warm-up'

const rowIdOf = ({ key, name }: KeyRowId): string => `${key} ${name}`

const isWideRow = ({ key, name }: KeyRowId): boolean => name === WARM_UP || isWideKey(key)

type RowsById = Map<string, BackoffKeyRow>

/** `saved`: the rows that are in the store, as far as this node knows. `unanswered`: changes of rows whose commit has had no answer yet. */
type KnownRows = { readonly saved: RowsById; readonly unanswered: RowsById }

/** Creates a persistence that knows no rows yet; each session has its own. */
export function createKeyPersistence(): KeyPersistence {
  const known: KnownRows = { saved: new Map(), unanswered: new Map() }
  const { saved, unanswered } = known
  return {
    restore: async (reader, queue, { groups, isWideKeysWriter, now }) => {
      const rows = await listBackoffKeysForOperator(reader)
      const isWanted = (row: BackoffKeyRow): boolean => (isWideRow(row) ? !isWideKeysWriter : groups.has(groupOf(queue, row)))
      restoreRows(saved, queue, rows.filter(isWanted), now)
    },
    refreshAccounts: async (reader, queue, now) => {
      const rows = (await listAccountKeysForOperator(reader)).filter((row) => isWideRow(row) && row.name !== KEY_SETTINGS)
      const changed = rows.filter((row) => [saved, unanswered].every((own) => transitionOf(row) !== transitionOf(own.get(rowIdOf(row)))))
      restoreRows(saved, queue, changed, now)
    },
    collectChanges: (queue, keys, held) => (keys?.size === 0 ? { rows: [], removed: [] } : collectChanges(known, queue, keys, held)),
    markSaving: ({ rows, removed }) => {
      for (const row of [...rows, ...removed]) unanswered.set(rowIdOf(row), row)
    },
    markSaved: ({ rows, removed }) => {
      for (const row of rows) saved.set(rowIdOf(row), row)
      for (const row of removed) saved.delete(rowIdOf(row))
      for (const row of [...rows, ...removed]) unanswered.delete(rowIdOf(row))
    },
    release: (held) => {
      for (const own of [saved, unanswered])
        for (const [id, row] of own) if (!isWideRow(row) && row.laneGroup !== null && !held.has(row.laneGroup)) own.delete(id)
    },
  }
}

const groupOf = (queue: Queue, { key, name, laneGroup }: BackoffKeyRow): number =>
  name === WARM_UP ? WIDE_KEYS_GROUP : keyGroupOf(queue, key, laneGroup)

function collectChanges(
  { saved, unanswered }: KnownRows,
  queue: Queue,
  keys: ReadonlySet<BackoffKeyId> | null,
  held: HeldGroups,
): KeyChanges {
  const isHeld = (row: BackoffKeyRow): boolean => keys !== null || holdsAllGroups(held) || held.has(groupOf(queue, row))
  const present = rowsOf(queue, keys).map((row): BackoffKeyRow => {
    const laneGroup = saved.get(rowIdOf(row))?.laneGroup ?? null
    return { ...row, laneGroup: groupOf(queue, { ...row, laneGroup }) }
  })
  const presentIds = new Set(present.map(rowIdOf))
  return {
    rows: present.filter((row) => isHeld(row) && (unanswered.has(rowIdOf(row)) || isChanged(row, saved.get(rowIdOf(row))))),
    removed: [...new Map([...saved, ...unanswered]).values()].filter(
      (row) => isCovered(row, keys) && !presentIds.has(rowIdOf(row)) && isHeld(row),
    ),
  }
}

const isChanged = (row: BackoffKeyRow, before: BackoffKeyRow | undefined): boolean =>
  before?.data !== row.data || before.laneGroup !== row.laneGroup

/**
 * Names the transition that a row was written after; null: none. Each node counts epochs by itself, so that an epoch alone could be that of another transition
 * on another node. Checked cast: only rowsOf writes the row.
 */
function transitionOf(row: BackoffKeyRow | undefined): string | null {
  if (row === undefined) return null
  const { epoch, state, since, until } = JSON.parse(row.data) as BackoffEpisode
  return [epoch, state, since, until].join(' ')
}

/** The row of a warm-up has an egress IP in the place of the key. */
const isCovered = ({ key }: KeyRowId, keys: ReadonlySet<BackoffKeyId> | null): boolean => keys === null || keys.has(key)

/** A key with occasional refusals and no transition needs no row. */
const isInsignificant = ({ state, n, rung }: BackoffEpisode): boolean => state === 'active' && n === 0 && rung === null

function rowsOf(queue: Queue, keys: ReadonlySet<BackoffKeyId> | null): Omit<BackoffKeyRow, 'laneGroup'>[] {
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
function restoreRows(saved: RowsById, queue: Queue, rows: readonly BackoffKeyRow[], now: number): void {
  for (const row of rows) saved.set(rowIdOf(row), row)
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
