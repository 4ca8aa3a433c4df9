/**
 * run - runs the stages of a lane and counts their tests
 *
 *     node test/run.ts test          the lane behind `npm test`; also `quick`, `slow`, `faults` and `soak`
 *     node test/run.ts lint types    only the named stages
 *
 * A stage that is a command counts as one test; a stage of vitest counts its tests. Each test that failed is named in a line that begins
 * with `failed: `, after all output. The last line is always `N passed, N failed, N skipped`. The exit status is 1 if anything failed or
 * nothing passed.
 * See also: vitest.config, .ci/run, CONTRIBUTING.md.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { z } from 'zod'

type Count = { readonly passed: number; readonly failed: number; readonly skipped: number }
type Lane = 'quick' | 'test' | 'slow' | 'faults' | 'soak'
type Stage = {
  readonly name: string
  readonly lanes: readonly Lane[]
  readonly command: readonly string[]
  readonly counts: 'itself' | 'tests'
  /** Runs after the other stages and shows its output as it comes. The others run side by side, and each shows its output when it ends. */
  readonly isAlone?: true
}

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')
const scratch = mkdtempSync(join(tmpdir(), 'bounced-run-'))

const vitest = (project: string): readonly string[] => ['vitest', 'run', '--project', project]

const STAGES: readonly Stage[] = [
  { name: 'lint', lanes: ['test'], command: ['oxlint', '--type-aware', '--deny-warnings'], counts: 'itself' },
  { name: 'format', lanes: ['test'], command: ['oxfmt', '--check', 'src', 'console', 'test', 'bench', 'bin', 'package'], counts: 'itself' },
  { name: 'types', lanes: ['quick', 'test'], command: ['tsc', '--noEmit'], counts: 'itself' },
  { name: 'pages', lanes: ['quick', 'test'], command: ['tsc', '--noEmit', '-p', 'console'], counts: 'itself' },
  { name: 'floors', lanes: ['quick', 'test'], command: vitest('law'), counts: 'tests' },
  { name: 'pure', lanes: ['quick', 'test'], command: vitest('pure'), counts: 'tests' },
  { name: 'tests', lanes: ['test'], command: vitest('fast'), counts: 'tests', isAlone: true },
  { name: 'smoke', lanes: ['test'], command: [...vitest('pages'), 'test/console/smoke.test.ts'], counts: 'tests', isAlone: true },
  { name: 'browser', lanes: ['slow'], command: vitest('pages'), counts: 'tests', isAlone: true },
  { name: 'slow', lanes: ['slow'], command: vitest('slow'), counts: 'tests', isAlone: true },
  { name: 'faults', lanes: ['faults'], command: vitest('faults'), counts: 'tests', isAlone: true },
  { name: 'soak', lanes: ['soak'], command: vitest('soak'), counts: 'tests', isAlone: true },
]

/** Runs one stage and counts it. A runner that writes no figures has failed. */
async function runStage(stage: Stage): Promise<Count> {
  const figures = join(scratch, `${stage.name}.json`)
  const reporters = stage.counts === 'tests' ? ['--reporter=default', '--reporter=json', `--outputFile.json=${figures}`] : []
  const title = `\n== ${stage.name}: ${stage.command.join(' ')}`
  if (stage.isAlone === true) console.log(title)
  const startedAt = performance.now()
  const { status, output } = await runCommand(stage, reporters)
  if (stage.isAlone !== true) console.log(`${title}\n${output}`)
  const count =
    stage.counts === 'itself' ? { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 } : readFigures(figures)
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  if (stage.counts === 'itself' && status !== 0) failures.push(stage.command.join(' '))
  rows.push(`${stage.name.padEnd(8)} ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped in ${seconds} s`)
  return status !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count
}

async function runCommand(stage: Stage, more: readonly string[]): Promise<{ readonly status: number | null; readonly output: string }> {
  const [command = '', ...args] = stage.command
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` }
  const child = spawn(join(bin, command), [...args, ...more], {
    cwd: root,
    env,
    stdio: stage.isAlone === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: null, output: `${output}${error.message}` }))
    child.once('close', (status) => resolve({ status, output }))
  })
}

/** What `--reporter=json` of vitest writes, as far as it is read here. */
const FIGURES = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string(), failureMessages: z.array(z.string()).nullish() })),
    }),
  ),
})

function readFigures(file: string): Count {
  try {
    const found = FIGURES.parse(JSON.parse(readFileSync(file, 'utf8')))
    failures.push(...found.testResults.flatMap(failuresOf))
    return { passed: found.numPassedTests, failed: found.numFailedTests, skipped: found.numPendingTests + found.numTodoTests }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** A line for each test of a file that failed, or one for a file that could not be run. */
function failuresOf({ name, status, message, assertionResults }: z.infer<typeof FIGURES>['testResults'][number]): string[] {
  const file = relative(root, name)
  const tests = assertionResults.filter((each) => each.status === 'failed')
  if (tests.length === 0 && status === 'failed') return [`${file}: ${firstLine(message)}`]
  return tests.map(({ fullName, failureMessages }) => `${file} > ${fullName}: ${firstLine(failureMessages?.[0] ?? '')}`)
}

function firstLine(text: string): string {
  return stripVTControlCharacters(text).split('\n', 1)[0] ?? ''
}

const wanted = process.argv.slice(2)
const stages = STAGES.filter(({ name, lanes }) => wanted.some((each) => each === name || lanes.some((lane) => lane === each)))
const rows: string[] = []
const failures: string[] = []
const counts = await Promise.all(stages.filter(({ isAlone }) => isAlone !== true).map(runStage))
for (const stage of stages.filter(({ isAlone }) => isAlone === true)) counts.push(await runStage(stage))
rmSync(scratch, { recursive: true, force: true })
const total = (name: keyof Count): number => counts.reduce((sum, count) => sum + count[name], 0)
console.log(`\n${rows.join('\n')}`)
for (const failure of failures) console.log(`failed: ${failure}`)
console.log(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`)
process.exitCode = total('failed') > 0 || total('passed') === 0 ? 1 : 0
