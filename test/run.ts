/**
 * run - runs the stages of a lane and counts their tests
 *
 *     node test/run.ts test          the lane behind `npm test`; also `quick`, `slow`, `faults` and `soak`
 *     node test/run.ts lint types    only the named stages
 *
 * A stage that is a command counts as one test; a stage of vitest counts its tests. The last line is always
 * `N passed, N failed, N skipped`. The exit status is 1 if anything failed or nothing passed.
 * See also: vitest.config, .ci/run, CONTRIBUTING.md.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

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

function readFigures(file: string): Count {
  try {
    const found: unknown = JSON.parse(readFileSync(file, 'utf8'))
    const figure = (name: string): number => {
      const value = typeof found === 'object' && found !== null ? Reflect.get(found, name) : 0
      return typeof value === 'number' ? value : 0
    }
    return {
      passed: figure('numPassedTests'),
      failed: figure('numFailedTests'),
      skipped: figure('numPendingTests') + figure('numTodoTests'),
    }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

const wanted = process.argv.slice(2)
const stages = STAGES.filter(({ name, lanes }) => wanted.some((each) => each === name || lanes.some((lane) => lane === each)))
const rows: string[] = []
const counts = await Promise.all(stages.filter(({ isAlone }) => isAlone !== true).map(runStage))
for (const stage of stages.filter(({ isAlone }) => isAlone === true)) counts.push(await runStage(stage))
rmSync(scratch, { recursive: true, force: true })
const total = (name: keyof Count): number => counts.reduce((sum, count) => sum + count[name], 0)
console.log(`\n${rows.join('\n')}`)
console.log(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`)
process.exitCode = total('failed') > 0 || total('passed') === 0 ? 1 : 0
