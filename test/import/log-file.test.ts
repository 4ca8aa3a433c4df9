/**
 * log-file.test - a log that grows, is rotated in every way, and is read again after a restart: each line once
 */
import fc from 'fast-check'
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { readLogFile, type LogFileOptions } from '../../src/import/log-file.ts'
import type { LogPosition } from '../../src/store/mail/followed-logs.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A log, and readers that go on where the last one stopped. */
function makeLog() {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-log-test-'))
  folders.push(folder)
  const path = join(folder, 'mail.log')
  const state: { position: LogPosition | null; lines: string[]; lost: number } = { position: null, lines: [], lost: 0 }
  /** Follows until the steps are done, one in each wait; then twice more, for what the last one left. */
  const follow = async (steps: readonly (() => void)[], over: Partial<LogFileOptions> = {}): Promise<readonly string[]> => {
    let waits = 0
    const options: LogFileOptions = {
      path,
      position: state.position,
      start: 'beginning',
      isFollowing: true,
      wait: () => {
        steps[waits]?.()
        waits += 1
        return Promise.resolve()
      },
      isStopped: () => waits > steps.length + 2,
      onLost: () => (state.lost += 1),
      ...over,
    }
    const read: string[] = []
    for await (const { lines, position } of readLogFile(options)) {
      read.push(...lines)
      state.position = position
    }
    state.lines.push(...read)
    return read
  }
  const write =
    (...lines: readonly string[]) =>
    (): void =>
      appendFileSync(path, lines.map((line) => `${line}\n`).join(''))
  const rename =
    (to = 'mail.log.1') =>
    (): void =>
      renameSync(path, join(folder, to))
  const copyTruncate =
    (to = 'mail.log.1') =>
    (): void => {
      copyFileSync(path, join(folder, to))
      truncateSync(path)
    }
  return { folder, path, state, follow, write, rename, copyTruncate }
}

test('a log that grows, line by line, also by half lines', async () => {
  const { path, follow, write } = makeLog()
  write('one', 'two')()
  expect(await follow([write('three'), () => appendFileSync(path, 'fo'), () => appendFileSync(path, 'ur\r\n\n')])).toEqual([
    'one',
    'two',
    'three',
    'four',
    '',
  ])
  expect(await follow([write('five')])).toEqual(['five'])
})

test('a log that does not exist yet is awaited', async () => {
  const { follow, write } = makeLog()
  expect(await follow([() => undefined, write('one')])).toEqual(['one'])
})

test('a file that is read once must exist; its last line counts without an end, and is read again when it has one', async () => {
  const { path, follow } = makeLog()
  await expect(follow([], { isFollowing: false })).rejects.toMatchObject({ code: 'not_found' })
  writeFileSync(path, 'one\ntwo')
  expect(await follow([], { isFollowing: false })).toEqual(['one', 'two'])
  appendFileSync(path, ' and more\n')
  expect(await follow([], { isFollowing: false })).toEqual(['two and more'])
})

test('rotation by renaming: lines that the writer adds to the old file are not lost', async () => {
  const { folder, path, follow, write, rename } = makeLog()
  write('one')()
  const late = (): void => appendFileSync(join(folder, 'mail.log.1'), 'late\n')
  const half = (): void => appendFileSync(join(folder, 'mail.log.1'), 'half')
  expect(await follow([rename(), late, () => writeFileSync(path, ''), half, write('two')])).toEqual(['one', 'late', 'half', 'two'])
  expect(await follow([write('three')])).toEqual(['three'])
})

test('rotation by copying: what came between the last look and the copy is in the copy', async () => {
  const { follow, write, copyTruncate } = makeLog()
  write('one', 'two')()
  const rotate = (): void => {
    write('three')()
    copyTruncate()()
    write('four')()
  }
  expect(await follow([rotate, write('five')])).toEqual(['one', 'two', 'three', 'four', 'five'])
})

test('a truncated file that has grown beyond the old place is recognised', async () => {
  const { follow, write, copyTruncate } = makeLog()
  write('one')()
  const rotate = (): void => {
    copyTruncate()()
    write('another first line', 'and a second one')()
  }
  expect(await follow([rotate])).toEqual(['one', 'another first line', 'and a second one'])
})

test('a truncated file without a copy is read from its beginning', async () => {
  const { path, follow, write } = makeLog()
  write('one', 'two')()
  expect(await follow([() => truncateSync(path), write('three')])).toEqual(['one', 'two', 'three'])
})

test('NULs that a writer leaves before its first line after a truncation are not part of it', async () => {
  const { path, follow } = makeLog()
  writeFileSync(path, Buffer.concat([Buffer.alloc(5_000), Buffer.from('one\n')]))
  expect(await follow([])).toEqual(['one'])
})

test('two rotations while nothing reads, the first of them compressed', async () => {
  const { folder, path, state, follow, write, rename } = makeLog()
  write('one')()
  await follow([])
  write('two')()
  writeFileSync(join(folder, 'mail.log.2.gz'), gzipSync(readFileSync(path)))
  rename('gone')()
  write('three', 'four')()
  rename('mail.log.1')()
  write('five')()
  expect(await follow([])).toEqual(['two', 'three', 'four', 'five'])
  expect(state.lost).toBe(0)
})

test('a place that no file has any more: from the beginning, and said so', async () => {
  const { path, state, follow, write } = makeLog()
  write('one')()
  await follow([])
  writeFileSync(path, 'something else\n')
  expect(await follow([])).toEqual(['something else'])
  expect(state.lost).toBe(1)
})

test('where a log begins that was never read', async () => {
  const make = (): ReturnType<typeof makeLog> => {
    const log = makeLog()
    log.write('old')()
    log.rename()()
    log.write('new')()
    return log
  }
  expect(await make().follow([], { start: 'beginning' })).toEqual(['new'])
  expect(await make().follow([], { start: 'rotated' })).toEqual(['old', 'new'])
  const { follow, write } = make()
  expect(await follow([write('later')], { start: 'end' })).toEqual(['later'])
})

test('a line that fills a chunk does not stop the reading', async () => {
  const { follow, write } = makeLog()
  write('x'.repeat(300_000), 'one')()
  expect((await follow([])).at(-1)).toBe('one')
})

test('whatever happens to a log, and wherever the reader restarts, each line comes once', async () => {
  const step = fc.constantFrom('write', 'write', 'half', 'rename', 'copy', 'restart', 'wait')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const { folder, path, state, follow } = makeLog()
      const written: string[] = []
      let half = ''
      let rotations = 0
      const writeLine = (): void => {
        const line = `line ${written.length}`
        appendFileSync(path, `${half === '' ? line : ''}\n`)
        written.push(half === '' ? line : half)
        half = ''
      }
      const actions: Readonly<Record<string, () => void>> = {
        write: writeLine,
        half: () => {
          if (half === '') appendFileSync(path, (half = `half ${written.length}`))
        },
        rename: () => {
          if (written.length === 0) return
          if (half !== '') writeLine()
          renameSync(path, join(folder, `mail.log.${(rotations += 1)}`))
          writeLine()
        },
        copy: () => {
          if (written.length === 0) return
          if (half !== '') writeLine()
          copyFileSync(path, join(folder, `mail.log.${(rotations += 1)}`))
          truncateSync(path)
          writeLine()
        },
        wait: () => undefined,
      }
      writeLine()
      const runs = steps.reduce<string[][]>(
        (all, each) => (each === 'restart' ? [...all, []] : [...all.slice(0, -1), [...(all.at(-1) ?? []), each]]),
        [[]],
      )
      // A reader that sees each change, and one that comes after several of them.
      for (const [index, run] of runs.entries()) {
        if (index % 2 === 0) await follow(run.map((each) => actions[each] ?? (() => undefined)))
        else for (const each of run.slice(0, 1)) actions[each]?.()
      }
      if (half !== '') writeLine()
      await follow([])
      expect(state.lines).toEqual(written)
      expect(state.lost).toBe(0)
      rmSync(folder, { recursive: true, force: true })
    }),
    { numRuns: 60 },
  )
})
