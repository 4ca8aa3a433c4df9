/** postgres-race.test - a late write of the driver is ignored, every other uncaught error ends the process */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isPostgresDriverRace } from '../../../src/store/engine/postgres/driver-race.ts'

function thrown(message: string, frame: string): TypeError {
  const error = new TypeError(message)
  error.stack = `TypeError: ${message}\n    at nextWrite (${frame})`
  return error
}

const WRITE = "Cannot read properties of null (reading 'write')"
const cases = [
  // error                                                                                    passes
  [thrown(WRITE, '/app/node_modules/postgres/src/connection.js:255:22'), true],
  [thrown(WRITE, '/app/node_modules/other/src/connection.js:255:22'), false],
  [thrown(WRITE, '/app/src/store/postgres.ts:1:1'), false],
  [thrown("Cannot read properties of null (reading 'end')", '/app/node_modules/postgres/src/connection.js:255:22'), false],
  [new Error(WRITE), false],
  ['no error at all', false],
] as const
test.each(cases)('%s', (error, passes) => expect(isPostgresDriverRace(error)).toBe(passes))

/** The exit status of a process that throws late with the handler installed. */
function statusOf(stack: string): number | null {
  const script = `
    import { installDriverRaceHandler } from ${JSON.stringify(join(import.meta.dirname, '../../../src/store/engine/postgres/driver-race-handler.ts'))}
    const end = installDriverRaceHandler()
    const error = new TypeError(${JSON.stringify(WRITE)})
    error.stack = 'TypeError\\n at nextWrite (' + ${JSON.stringify(stack)} + ')'
    setImmediate(() => { throw error })
    setTimeout(end, 20)
  `
  return spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', script], { stdio: 'ignore' }).status
}

test('a process survives the race and dies of another error', () => {
  expect(statusOf('/app/node_modules/postgres/src/connection.js:255:22')).toBe(0)
  expect(statusOf('/app/src/elsewhere.ts:1:1')).not.toBe(0)
})
