/** key-persistence.test - the key of an account that another node has closed */
import { describe, expect, test } from 'vitest'
import { createBackoffEpisode, type BackoffEpisode } from '../../../src/queue/backoff/backoff-episode.ts'
import { emptySlidingCount } from '../../../src/queue/backoff/sliding-count.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createQueue, type Queue } from '../../../src/queue/queue.ts'
import { restoreEpisodes, snapshotEpisodes } from '../../../src/queue/snapshot.ts'
import { ALL_LANE_GROUPS } from '../../../src/queue/lane-group.ts'
import { createKeyPersistence, type KeyChanges } from '../../../src/service/deliver/key-persistence.ts'
import { saveBackoffKeysForOperator, type BackoffKeyRow } from '../../../src/store/queue/backoff-keys.ts'
import { engines } from '../../support/engines.ts'
import { T0 } from '../../store/sample.ts'

const KEY = 'account|1'
const newQueue = (): Queue => createQueue({ policy: BACKOFF_POLICIES.default, seed: 1, pools: { '*': ['192.0.2.1'] } })

/** The row of an episode that another node has written. */
function rowOf(state: 'active' | 'paused', since: number, epoch: number): BackoffKeyRow {
  const episode = createBackoffEpisode(BACKOFF_POLICIES.default, { key: KEY, class: 'list-quality', now: since }, ({ windowMs }) =>
    emptySlidingCount(windowMs),
  )
  const until = state === 'paused' ? since + 3_600_000 : null
  const data = JSON.stringify({ ...episode, state, since, epoch, n: 1, until, pausedMs: until === null ? 0 : 3_600_000 })
  return { key: KEY, name: 'list-quality', data, laneGroup: 0 }
}

describe.each(engines)('$kind', ({ open }) => {
  test('a pause by another node is taken over, even if it has the epoch of the transition before, which another node made', async () => {
    const { engine } = await open()
    const [queue, persistence] = [newQueue(), createKeyPersistence()]
    const refresh = async (row: BackoffKeyRow): Promise<readonly string[]> => {
      await engine.tx((db) => saveBackoffKeysForOperator(db, [row], []))
      await persistence.refreshAccounts(engine.read, queue, T0 + 2_000)
      return snapshotEpisodes(queue).map(({ state }) => state)
    }
    expect(await refresh(rowOf('active', T0, 40))).toEqual(['active'])
    expect(await refresh(rowOf('paused', T0 + 1_000, 40))).toEqual(['paused'])
    expect(queue.keyStates.get(KEY)?.backoffLimits.closedUntil).toBe(T0 + 1_000 + 3_600_000)
  })

  test('a change whose commit was not answered is no change of another node, is written again, and is removed with its key', async () => {
    const { engine } = await open()
    const [queue, persistence] = [newQueue(), createKeyPersistence()]
    const keys = new Set([KEY])
    const stored = async (): Promise<number> => Number((await engine.read.one('select count(*) as n from queue_keys'))?.['n'])
    const save = async (): Promise<KeyChanges> => {
      const changes = persistence.collectChanges(queue, keys, ALL_LANE_GROUPS)
      persistence.markSaving(changes)
      await engine.tx((db) => saveBackoffKeysForOperator(db, changes.rows, changes.removed))
      return changes
    }
    const closed = JSON.parse(rowOf('paused', T0, 40).data) as BackoffEpisode
    restoreEpisodes(queue, [closed], T0)
    await save()
    const later = { ...closed, state: 'recovering', since: T0 + 1_000, epoch: 41, until: null } as const
    restoreEpisodes(queue, [later], T0 + 1_000)
    await persistence.refreshAccounts(engine.read, queue, T0 + 2_000)
    expect(snapshotEpisodes(queue)).toMatchObject([{ state: 'recovering' }])
    expect((await save()).rows).toHaveLength(1)
    queue.keyStates.delete(KEY)
    expect([(await save()).removed.length, await stored()]).toEqual([1, 0])
    // Its removal was not answered either.
    restoreEpisodes(queue, [later], T0 + 1_000)
    persistence.markSaved(await save())
    expect([persistence.collectChanges(queue, keys, ALL_LANE_GROUPS).rows.length, await stored()]).toEqual([0, 1])
  })
})
