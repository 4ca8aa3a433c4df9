/**
 * ci-run.test - the last line of .ci/run is a count and its exit status follows it, whatever `npm` does
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'

const SCRIPT = join(import.meta.dirname, '..', '.ci', 'run')

type Ended = { readonly status: number | null; readonly lastLine: string | undefined; readonly output: string }

/** Runs .ci/run with a shell script in place of `npm`. `onOutput` sees the output so far, and the process. */
async function runWith(npm: string, limit = 60, onOutput: (output: string, pid: number) => void = () => undefined): Promise<Ended> {
  const folder = join(mkdtempSync(join(tmpdir(), 'bounced-ci-')), 'bin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'npm'), `#!/bin/bash\ncase "$*" in\n${npm}\nesac\n`, { mode: 0o755 })
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}`, CI_LIMIT_SECONDS: String(limit) }
  const child = spawn('bash', [SCRIPT], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    onOutput(output, child.pid ?? 0)
  })
  const status = await new Promise<number | null>((resolve) => {
    child.once('close', resolve)
  })
  return { status, lastLine: output.trimEnd().split('\n').at(-1), output }
}

const OK = 'ci*) ;;'
const TEST = "test) echo '7 passed, 0 failed, 2 skipped' ;;"
const SLOW = "'run test:slow') echo '3 passed, 0 failed, 1 skipped' ;;"

const cases = [
  // what happens                               npm                                                           status  last line
  ['both lanes pass', [OK, TEST, SLOW], 0, '10 passed, 0 failed, 3 skipped'],
  ['npm ci fails', ['ci*) exit 1 ;;', TEST, SLOW], 1, '3 passed, 1 failed, 1 skipped'],
  ['everything fails', ['*) echo broken; exit 1 ;;'], 1, '0 passed, 2 failed, 0 skipped'],
  ['a lane counts failures', [OK, "test) echo '7 passed, 2 failed, 0 skipped'; exit 1 ;;", SLOW], 1, '10 passed, 2 failed, 1 skipped'],
  ['a lane fails after its count', [OK, TEST, "*) echo '3 passed, 0 failed, 0 skipped'; exit 1 ;;"], 1, '10 passed, 1 failed, 2 skipped'],
  ['a lane crashes', [OK, 'test) kill -SEGV $$ ;;', SLOW], 1, '3 passed, 1 failed, 1 skipped'],
  [
    'the count is not the last output',
    [OK, "test) echo '7 passed, 0 failed, 2 skipped'; echo bye ;;", SLOW],
    0,
    '10 passed, 0 failed, 3 skipped',
  ],
  [
    'the output ends within a line',
    [OK, TEST, "*) echo '3 passed, 0 failed, 1 skipped'; printf bye ;;"],
    0,
    '10 passed, 0 failed, 3 skipped',
  ],
  ['nothing is tested', [OK, "*) echo '0 passed, 0 failed, 9 skipped' ;;"], 1, '0 passed, 0 failed, 18 skipped'],
] as const

test.concurrent.each(cases)('%s', async (_, npm, status, lastLine) => {
  expect(await runWith(npm.join('\n'))).toMatchObject({ status, lastLine })
})

test.concurrent('a lane that hangs is ended by the time limit, with its child processes, and the next one has no time left', async () => {
  const { status, lastLine } = await runWith([OK, 'test) sleep 1000 & sleep 1000 ;;', SLOW].join('\n'), 2)
  expect([status, lastLine]).toEqual([1, '0 passed, 2 failed, 0 skipped'])
})

test.concurrent('a signal ends it with a count', async () => {
  const npm = [OK, 'test) printf running; sleep 1000 ;;', SLOW].join('\n')
  let isSent = false
  const { status, lastLine } = await runWith(npm, 60, (output, pid) => {
    if (isSent || !output.includes('running')) return
    isSent = true
    process.kill(pid, 'SIGTERM')
  })
  expect([status, lastLine]).toEqual([1, '0 passed, 1 failed, 0 skipped'])
})

test.concurrent('the tests that failed are named before the last line', async () => {
  const lane = "test) echo 'failed: a > b'; echo '7 passed, 1 failed, 0 skipped'; exit 1 ;;"
  const { output } = await runWith([OK, lane, SLOW].join('\n'))
  expect(output.trimEnd().split('\n').slice(-2)).toEqual(['failed: a > b', '10 passed, 1 failed, 1 skipped'])
})
