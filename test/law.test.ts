/**
 * law.test - the size of files, functions and folders, import cycles, shared names, and exports that the program does not need
 *
 * Each test states its rule and the reason. An exception stands in a table here with its own reason; one that is no longer needed fails.
 * See also: test/floors.test.ts, test/words.test.ts, CONTRIBUTING.md.
 */
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { parseSourceFile, readSourceFiles, type SourceFile } from './support/source-model.ts'

const SOURCE = [...readSourceFiles('src'), ...readSourceFiles('console')]
const TESTS = [...readSourceFiles('test'), ...readSourceFiles('bench')]

const MAX_FILE_LINES = 300
const MAX_FUNCTION_LINES = 40
const MAX_FOLDER_FILES = 25

/** Names that more than one file exports, and why that is no confusion. */
const SHARED_NAMES: Readonly<Record<string, string>> = {}

/** Exports that only tests and benches import, and why they stay. */
const EXPORTS_FOR_TESTS: Readonly<Record<string, string>> = {
  'console/components/marked-text.ts#findMarks':
    'a search in any text of a stranger is tested with many texts, which a browser would make slow',
}

/** Exports that nothing in the repository imports by name, and who uses them. */
const UNIMPORTED_EXPORTS: Readonly<Record<string, string>> = {
  'src/commands/receive.ts#receiveFromArguments': 'bin/bounced.mjs, which loads it without the rest of the command line',
}

/** What the package exports, under the names that its users read. */
const LIBRARY = 'src/library.ts'

/** Files that nothing imports: the entry, what the package exports, and the first module of the console. */
const ENTRIES: readonly string[] = ['src/cli.ts', LIBRARY, 'console/main.ts']

test(`no file has more than ${MAX_FILE_LINES} lines: a longer one holds two nouns`, () => {
  expect(SOURCE.filter(({ lines }) => lines > MAX_FILE_LINES).map(({ path, lines }) => `${path}: ${lines}`)).toEqual([])
})

test(`no function has more than ${MAX_FUNCTION_LINES} lines: a reader holds no more in mind`, () => {
  const long = SOURCE.flatMap(({ path, functions }) =>
    functions.filter(({ lines }) => lines > MAX_FUNCTION_LINES).map(({ name, lines }) => `${path}: ${name} has ${lines}`),
  )
  expect(long).toEqual([])
})

test(`no folder has more than ${MAX_FOLDER_FILES} source files: split it by subject`, () => {
  const counts = Object.entries(Object.groupBy(SOURCE, ({ path }) => dirname(path)))
  expect(
    counts.filter(([, files]) => (files?.length ?? 0) > MAX_FOLDER_FILES).map(([folder, files]) => `${folder}: ${files?.length}`),
  ).toEqual([])
})

test('files do not import each other in a circle, types included: nobody can read one of them alone', () => {
  expect(cyclesOf(SOURCE)).toEqual([])
})

test('no two files export the same name, but for the table: a name that is searched for finds one thing', () => {
  const files = new Map<string, string[]>()
  for (const { path, exports } of SOURCE.filter(({ path }) => path !== LIBRARY))
    for (const name of exports) files.set(name, [...(files.get(name) ?? []), path])
  const shared = [...files].filter(([, paths]) => paths.length > 1)
  expect(shared.filter(([name]) => SHARED_NAMES[name] === undefined).map(([name, paths]) => `${name}: ${paths.join(', ')}`)).toEqual([])
  expect(Object.keys(SHARED_NAMES).filter((name) => !shared.some(([each]) => each === name))).toEqual([])
})

test('an export is imported by another source file: what only a test uses is tested through what the program uses', () => {
  const byProgram = usersOf(SOURCE)
  const byTests = usersOf(TESTS)
  const unused = SOURCE.filter(({ path }) => !ENTRIES.includes(path)).flatMap(({ path, exports }) =>
    exports.filter((name) => !byProgram(path, name)).map((name) => ({ id: `${path}#${name}`, isTested: byTests(path, name) })),
  )
  const excused = (id: string, isTested: boolean): boolean => (isTested ? EXPORTS_FOR_TESTS : UNIMPORTED_EXPORTS)[id] !== undefined
  expect(
    unused.filter(({ id, isTested }) => !excused(id, isTested)).map(({ id, isTested }) => `${id}${isTested ? ' (tests only)' : ''}`),
  ).toEqual([])
  const excuses = [...Object.keys(EXPORTS_FOR_TESTS), ...Object.keys(UNIMPORTED_EXPORTS)]
  expect(excuses.filter((id) => !unused.some((each) => each.id === id))).toEqual([])
})

/** Answers whether one of these files imports a name of a file. */
function usersOf(files: readonly SourceFile[]): (path: string, name: string) => boolean {
  const used = new Set(files.flatMap(({ imports }) => imports.flatMap(({ target, names }) => names.map((name) => `${target}#${name}`))))
  return (path, name) => used.has(`${path}#${name}`) || used.has(`${path}#*`)
}

/** Each group of files that import each other, as one line (Tarjan's strongly connected components). */
function cyclesOf(files: readonly SourceFile[]): string[] {
  const edges = new Map(files.map(({ path, imports }) => [path, imports.map(({ target }) => target)]))
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[] = []
  const visit = (path: string): void => {
    order.set(path, order.size)
    low.set(path, order.get(path) ?? 0)
    stack.push(path)
    for (const target of edges.get(path) ?? []) {
      if (!edges.has(target)) continue
      if (!order.has(target)) visit(target)
      if (stack.includes(target)) low.set(path, Math.min(low.get(path) ?? 0, low.get(target) ?? 0))
    }
    if (low.get(path) !== order.get(path)) return
    const group = stack.splice(stack.indexOf(path))
    if (group.length > 1) found.push(group.toSorted().join(' '))
  }
  for (const path of edges.keys()) if (!order.has(path)) visit(path)
  return found
}

/** Two files that import each other, one by a type; an export that nobody imports; and a long function. */
const BREACHES: readonly SourceFile[] = [
  parseSourceFile('src/a.ts', `import type { B } from './b.ts'\nexport type A = B\nexport const unused = 1\n`),
  parseSourceFile('src/b.ts', `import { type A } from './a.ts'\nexport type B = A | null\nexport function long() {${'\n'.repeat(50)}}\n`),
  parseSourceFile('src/c.ts', `const { used } = await import('./d.ts')\nvoid (await import('./e.ts')).one\n`),
]

test('the checks find a cycle of types, the names of dynamic imports, and the lines of a function', () => {
  expect(cyclesOf(BREACHES)).toEqual(['src/a.ts src/b.ts'])
  const uses = usersOf(BREACHES)
  expect([uses('src/a.ts', 'A'), uses('src/a.ts', 'unused')]).toEqual([true, false])
  expect([uses('src/d.ts', 'used'), uses('src/d.ts', 'other'), uses('src/e.ts', 'one'), uses('src/e.ts', 'two')]).toEqual([
    true,
    false,
    true,
    false,
  ])
  expect(BREACHES[1]?.functions).toEqual([{ name: 'long', lines: 51 }])
})
