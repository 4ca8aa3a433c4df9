/** replica-setting.test - a replica beside SQLite stops the start; changes of its state are logged once */
import { expect, test } from 'vitest'
import { openContext } from '../../src/daemon/bootstrap.ts'
import { createReplicaListener } from '../../src/daemon/replica-status.ts'
import { loadConfig } from '../../src/settings/load.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import { makeTemporaryFolder } from '../support/daemon.ts'

test('store.replica beside SQLite stops the start, and names what to do', async () => {
  const { settings } = loadConfig({
    BOUNCED_DATA: makeTemporaryFolder(),
    BOUNCED_STORE_REPLICA: 'postgres://bounced@replica.example/bounced',
  })
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  await expect(openContext({ settings, telemetry })).rejects.toMatchObject({
    code: 'config_invalid',
    message: 'store.replica needs PostgreSQL: set database to the primary, or remove store.replica',
  })
})

test('each change is logged once, and the gauges follow each measurement', async () => {
  const { log } = await createTelemetry({ level: 'silent', format: 'json' })
  const [lines, gauges]: [string[], (readonly [string, number])[]] = [[], []]
  const note = (_: unknown, text?: string): void => void lines.push(text ?? String(_))
  const listener = createReplicaListener({
    log: Object.assign(Object.create(log), { info: note, warn: note }),
    setGauge: (name, value) => gauges.push([name, value]),
  })
  for (const lagMillis of [100, 200, 300]) listener({ isUsed: true, lagMillis, problem: null })
  for (const lagMillis of [9_000, null]) listener({ isUsed: false, lagMillis, problem: 'it is more than 5 s behind' })
  listener({ isUsed: true, lagMillis: 400, problem: null })
  expect(lines.map((line) => line.slice(0, 12))).toEqual(['lists, stati', 'the replica ', 'lists, stati'])
  expect(gauges.slice(0, 2)).toEqual([
    ['bounced_replica_used', 1],
    ['bounced_replica_lag_seconds', 0.1],
  ])
  expect(gauges.filter(([name]) => name === 'bounced_replica_used').map(([, value]) => value)).toEqual([1, 1, 1, 0, 0, 1])
})
