/**
 * disk-space.test - how often the disk is looked at, and what a disk that cannot be measured means
 */
import { expect, test } from 'vitest'
import { createDiskSpace, type DiskSpace } from '../../src/service/disk-space.ts'
import { createTelemetry } from '../../src/telemetry.ts'

const FLOOR = 1_000

type Fixture = {
  readonly disk: DiskSpace
  readonly clock: { now: number }
  readonly looks: string[]
  readonly logged: string[]
  free: number | null
}

async function fixture(floorBytes = FLOOR): Promise<Fixture> {
  const { log, setGauge } = await createTelemetry({ level: 'silent', format: 'json' })
  const clock = { now: 0 }
  const looks: string[] = []
  const logged: string[] = []
  const state: { free: number | null } = { free: 5_000 }
  const warn = (_: unknown, message?: string): void => void logged.push(message ?? '')
  const disk = createDiskSpace({
    folder: '/data',
    floorBytes,
    elapsed: () => clock.now,
    telemetry: { log: Object.assign(Object.create(log), { warn }), setGauge },
    measure: (folder) => {
      looks.push(folder)
      if (state.free === null) throw new Error('ENOENT')
      return state.free
    },
  })
  return Object.assign(state, { disk, clock, looks, logged })
}

test('the disk is looked at once a second, however often it is asked', async () => {
  const at = await fixture()
  for (let n = 0; n < 1_000; n++) at.disk.isLow()
  at.clock.now = 999
  expect([at.disk.isLow(), at.looks]).toEqual([false, ['/data']])
  at.clock.now = 1_000
  at.free = FLOOR - 1
  expect([at.disk.isLow(), at.looks.length]).toEqual([true, 2])
  at.clock.now = 2_000
  at.free = FLOOR
  expect([at.disk.isLow(), at.looks.length]).toEqual([false, 3])
})

test('each change is logged once', async () => {
  const at = await fixture()
  for (const free of [500, 400, 1_000, 900, 2_000]) {
    at.clock.now += 1_000
    at.free = free
    at.disk.isLow()
    at.disk.isLow()
  }
  expect(at.logged.map((message) => /below|above/.exec(message)?.[0])).toEqual(['below', 'above', 'below', 'above'])
})

test('a disk that cannot be measured refuses nothing, and is logged once until it can', async () => {
  const at = await fixture()
  at.free = null
  for (let n = 0; n < 5; n++) {
    at.clock.now += 1_000
    expect([at.disk.isLow(), at.disk.freeBytes()]).toEqual([false, null])
  }
  expect(at.logged.length).toBe(1)
})

test('without a floor nothing is refused, and the free space is still known', async () => {
  const at = await fixture(0)
  at.free = 0
  expect([at.disk.isLow(), at.looks.length, at.disk.freeBytes()]).toEqual([false, 0, 0])
})
