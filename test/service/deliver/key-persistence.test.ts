/** key-persistence.test - the key of an account that another node has closed */
import { describe, expect, test } from 'vitest'
import { createBackoffEpisode } from '../../../src/queue/backoff/backoff-episode.ts'
import { emptySlidingCount } from '../../../src/queue/backoff/sliding-count.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createQueue, type Queue } from '../../../src/queue/queue.ts'
import { snapshotEpisodes } from '../../../src/queue/snapshot.ts'
import { createKeyPersistence } from '../../../src/service/deliver/key-persistence.ts'
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
})
