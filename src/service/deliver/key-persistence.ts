/**
 * key-persistence - what is known of the queue's keys, as rows, and back
 *
 * An episode is a row under its class; what an operator set and a key learnt is one more. Keys that moved are written with the turn that
 * moved them; all the rest (counts, learnt rates, warm-ups) is looked at now and then, and written where it has changed. What the store
 * holds is known by its text, so nothing is written twice.
 *
 * See also: queue/snapshot, store/queue/backoff-keys, service/deliver/delivery-session.
 */
import type { Episode } from '../../queue/backoff/backoff-episode.ts'
import type { KeyId } from '../../queue/backoff/backoff-key.ts'
import type { Queue } from '../../queue/queue.ts'
import { episodesOf, type GateNote, gateNotesOf, placeEpisodes, placeGateNotes } from '../../queue/snapshot.ts'
import type { Reader } from '../../store/engine/engine.ts'
import { type KeyRow, listKeysForOperator } from '../../store/queue/backoff-keys.ts'

type KeyName = Pick<KeyRow, 'key' | 'name'>
export type KeyChanges = { readonly rows: readonly KeyRow[]; readonly gone: readonly KeyName[] }

export type KeyBook = {
  /** Puts what is stored into an empty queue. Faults: store_busy. */
  readonly place: (reader: Reader, queue: Queue, now: number) => Promise<void>
  /** What has changed of these keys, or of all (null). */
  readonly changes: (queue: Queue, keys: ReadonlySet<KeyId> | null) => KeyChanges
  /** These changes are in the store. */
  readonly settle: (changes: KeyChanges) => void
}

/** The row of a key's operator and learnt values, and of an IP's warm-up. */
const NOTE = 'gate'
const WARM_UP = 'warm-up'

const nameOf = ({ key, name }: KeyName): string => `${key} ${name}`

/** A book that knows of no row. One for each term. */
export function createKeyBook(): KeyBook {
  const known = new Map<string, KeyRow>()
  return {
    place: async (reader, queue, now) => {
      const rows = await listKeysForOperator(reader)
      for (const row of rows) known.set(nameOf(row), row)
      placeRows(queue, rows, now)
    },
    changes: (queue, keys) => {
      if (keys?.size === 0) return { rows: [], gone: [] }
      const present = rowsOf(queue, keys)
      const there = new Set(present.map(nameOf))
      return {
        rows: present.filter((row) => known.get(nameOf(row))?.data !== row.data),
        gone: [...known.values()].filter((row) => isMeant(row, keys) && !there.has(nameOf(row))),
      }
    },
    settle: ({ rows, gone }) => {
      for (const row of rows) known.set(nameOf(row), row)
      for (const row of gone) known.delete(nameOf(row))
    },
  }
}

/** A warm-up goes only when all are looked at: its row bears an IP and no key. */
const isMeant = ({ key, name }: KeyName, keys: ReadonlySet<KeyId> | null): boolean => keys === null || (name !== WARM_UP && keys.has(key))

/** An episode of which a restart need know nothing has no row: a key that was refused now and then and never moved. */
const isPlain = ({ state, n, rung }: Episode): boolean => state === 'active' && n === 0 && rung === null

function rowsOf(queue: Queue, keys: ReadonlySet<KeyId> | null): KeyRow[] {
  const isAsked = ({ key }: { readonly key: KeyId }): boolean => keys === null || keys.has(key)
  const episodes = episodesOf(queue).filter((episode) => isAsked(episode) && !isPlain(episode))
  const notes = gateNotesOf(queue).filter(isAsked)
  return [
    ...episodes.map((episode) => ({ key: episode.key, name: episode.class, data: JSON.stringify(episode) })),
    ...notes.map((note) => ({ key: note.key, name: NOTE, data: JSON.stringify(note) })),
    ...[...queue.warmUps].map(([egressIp, startedAt]) => ({ key: egressIp, name: WARM_UP, data: String(startedAt) })),
  ]
}

// The checked door: only rowsOf writes these rows.
function placeRows(queue: Queue, rows: readonly KeyRow[], now: number): void {
  const named = (name: string): readonly KeyRow[] => rows.filter((row) => row.name === name)
  for (const { key, data } of named(WARM_UP)) queue.warmUps.set(key, Number(data))
  placeGateNotes(
    queue,
    named(NOTE).map(({ data }) => JSON.parse(data) as GateNote),
    now,
  )
  const episodes = rows.filter(({ name }) => name !== NOTE && name !== WARM_UP)
  placeEpisodes(
    queue,
    episodes.map(({ data }) => JSON.parse(data) as Episode),
    now,
  )
}
