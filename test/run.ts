/**
 * run - every check of the house, one stage after the other, each counted
 *
 * `npm test` runs this file. The stages are the table below; a stage that is a command counts as one, the test
 * projects count their tests. The last line is always `N passed, N failed, N skipped`, and the exit status is 1
 * if anything failed or nothing passed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

type Count = { passed: number; failed: number; skipped: number }
type Stage = { readonly name: string; readonly command: readonly string[]; readonly counts: 'itself' | 'tests' }

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')
const scratch = mkdtempSync(join(tmpdir(), 'bounced-run-'))

const STAGES: readonly Stage[] = [
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'], counts: 'itself' },
  { name: 'format', command: ['oxfmt', '--check', 'src', 'test', 'bench', 'bin'], counts: 'itself' },
  { name: 'types', command: ['tsc', '--noEmit'], counts: 'itself' },
  { name: 'floors', command: ['vitest', 'run', '--project', 'fast', 'test/floors.test.ts'], counts: 'tests' },
  { name: 'tests', command: ['vitest', 'run', '--project', 'fast', '--exclude', 'test/floors.test.ts'], counts: 'tests' },
  { name: 'serial', command: ['vitest', 'run', '--project', 'serial'], counts: 'tests' },
]

/** Runs one stage with its output shown, and counts it. A runner that leaves no figures behind has failed. */
function runStage(stage: Stage): Count {
  const [command, ...args] = stage.command
  const figures = join(scratch, `${stage.name}.json`)
  const extra = stage.counts === 'tests' ? ['--reporter=default', '--reporter=json', `--outputFile.json=${figures}`] : []
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` }
  const run = spawnSync(join(bin, command ?? ''), [...args, ...extra], { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] })
  if (stage.counts === 'itself') return { passed: run.status === 0 ? 1 : 0, failed: run.status === 0 ? 0 : 1, skipped: 0 }
  const count = readFigures(figures)
  return run.status !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count
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
const total: Count = { passed: 0, failed: 0, skipped: 0 }
const rows: string[] = []
for (const stage of STAGES.filter((each) => wanted.length === 0 || wanted.includes(each.name))) {
  console.log(`\n== ${stage.name}: ${stage.command.join(' ')}`)
  const count = runStage(stage)
  total.passed += count.passed
  total.failed += count.failed
  total.skipped += count.skipped
  rows.push(`${stage.name.padEnd(8)} ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped.`)
}
rmSync(scratch, { recursive: true, force: true })
console.log(`\n${rows.join('\n')}`)
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
