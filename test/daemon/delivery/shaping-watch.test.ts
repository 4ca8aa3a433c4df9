/** shaping-watch.test - a changed file of limits is in force for a running queue, and a broken one changes nothing and names its line */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { loadShaping } from '../../../src/config/shaping-files.ts'
import { startShapingWatch } from '../../../src/daemon/delivery/shaping-watch.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

afterEach(() => void vi.useRealTimers())

test.each(engines.filter(({ kind }) => kind === 'sqlite'))('a change is read once it is settled', async ({ open }) => {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-shaping-'))
  const file = join(folder, 'shaping.toml')
  writeFileSync(file, '[site.google]\nconnections = 1\n')
  let table = loadShaping(file)
  const errors: unknown[] = []
  const context = await makeContext((await open()).engine, { now: Date.UTC(2026, 10, 20) })
  vi.spyOn(context.telemetry.log, 'error').mockImplementation((fields: unknown) => void errors.push(fields))
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const reloadShaping = (): void => {
    table = loadShaping(file)
  }
  const stop = startShapingWatch({ context, reloadShaping }, file)
  const look = (): void => void vi.advanceTimersByTime(5_000)
  const connections = (): number | undefined => table.siteShaping('google', null).options.connections
  writeFileSync(file, '[site.google]\nconnections = 22\n')
  look()
  expect(connections()).toBe(1)
  look()
  expect(connections()).toBe(22)
  writeFileSync(file, '[site.google]\n\nconnections = "no"\n')
  for (let n = 0; n < 4; n++) look()
  expect([
    connections(),
    errors.length,
    JSON.stringify(errors[0], (_, value: unknown) => (value instanceof Error ? value.message : value)),
  ]).toEqual([22, 1, expect.stringContaining(`${file}: line 3: site.google.connections`)])
  rmSync(folder, { recursive: true })
  for (let n = 0; n < 4; n++) look()
  expect(connections()).toBe(22)
  stop()
  expect(vi.getTimerCount()).toBe(0)
  startShapingWatch({ context, reloadShaping }, undefined)()
})
