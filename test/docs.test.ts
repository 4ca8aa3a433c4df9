/**
 * docs.test - everything that the pages name exists: links, anchors, files, commands, metrics and settings
 *
 * The rows of CHECKS are applied to every Markdown page. CHANGELOG.md is history: only its links are checked. Names are looked for in code spans
 * and code blocks, where a reader copies them from.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import type { DefineCommand } from '../src/commands/command.ts'
import { loadConfig } from '../src/settings/load.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGES = globSync(['*.md', 'docs/*.md', 'docs/guides/*.md', 'fixtures/*.md'], { cwd: ROOT }).toSorted()
const CHANGELOG = 'CHANGELOG.md'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const matchesOf = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => match[1] ?? match[0])

const FENCE = /^```[^\n]*\n([\s\S]*?)^```/gm

/** The lines of code blocks, without their comments. */
const blockLinesOf = (text: string): string[] =>
  matchesOf(text, FENCE)
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/(?:^|\s)#\s.*$/, ''))

const spansOf = (text: string): string[] => matchesOf(text.replaceAll(FENCE, ''), /`([^`\n]+)`/g)
const codeOf = (text: string): string[] => [...spansOf(text), ...blockLinesOf(text)]

/** The anchor that GitHub gives to a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')

const anchorsOf = (text: string): string[] => matchesOf(text.replaceAll(FENCE, ''), /^#+ (.+)$/gm).map(anchorOf)

function brokenLinks(page: string, text: string): string[] {
  const targets = matchesOf(text.replaceAll(FENCE, ''), /\]\(([^)\s]+)\)/g).filter((target) => !/^[a-z]+:/.test(target))
  return targets.filter((target) => {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path))
    if (!existsSync(join(ROOT, file))) return true
    return anchor !== undefined && !anchorsOf(read(file)).includes(anchor)
  })
}

const ROOMS = globSync('*/', { cwd: join(ROOT, 'src') }).map((room) => room.replace(/\/$/, ''))

/** `service/batcher` in ARCHITECTURE.md is a file or a folder of src. */
const roomPathsOf = (page: string, text: string): string[] =>
  page === 'ARCHITECTURE.md'
    ? spansOf(text).filter((span) => /^[\w-]+\/[\w./*-]*$/.test(span) && ROOMS.includes(span.split('/')[0] ?? ''))
    : []

/** `src/queue/queue.ts`, `test/cli.test.ts`, `scenarios/*.toml`, and `src/mail/dsn` for a folder. */
function missingFiles(page: string, text: string): string[] {
  const paths = codeOf(text).flatMap((code) => matchesOf(code, /(?<![\w/.])((?:src|test|docs|scenarios|fixtures|bench|bin)\/[\w./*-]+)/g))
  const exists = (...names: readonly string[]): boolean => names.some((name) => globSync(name, { cwd: ROOT }).length > 0)
  return [...paths.filter((path) => !exists(path)), ...roomPathsOf(page, text).filter((path) => !exists(`src/${path}`, `src/${path}.ts`))]
}

/** `src/mail/report.ts`, `parse`, and `parse` (`src/mail/report.ts`): the file has that word. */
function missingNames(_page: string, text: string): string[] {
  const pairs = [
    ...[...text.matchAll(/`(src\/[\w/-]+\.ts)`, `#?(\w+)`/g)].map(([, file = '', name = '']) => ({ file, name })),
    ...[...text.matchAll(/`(\w+)` \(`(src\/[\w/-]+\.ts)`/g)].map(([, name = '', file = '']) => ({ file, name })),
  ]
  return pairs
    .filter(({ file, name }) => existsSync(join(ROOT, file)) && !new RegExp(`\\b${name}\\b`).test(read(file)))
    .map(({ name }) => name)
}

const CLI_ROWS = [...read('src/cli.ts').matchAll(/^ {2}'?([a-z-]+)'?: \{[^}]*?import\('(\.[^']+)'\)\)\.(\w+)/gms)]

async function loadCommands(): Promise<Map<string, Command>> {
  const commands = new Map<string, Command>()
  for (const [, name = '', path = '', exported = ''] of CLI_ROWS) {
    const define: Record<string, DefineCommand> = await import(join(ROOT, 'src', path))
    const command = new Command(name)
    define[exported]?.(command)
    commands.set(name, command)
  }
  return commands
}

const COMMANDS = await loadCommands()

/** Every command with its subcommand, in the form that this version documents. Names that the help hides are old ones. */
function unknownCommands(_page: string, text: string): string[] {
  const calls = codeOf(text).flatMap((code) => matchesOf(code, /(?:^|\| |--no-install )(bounced [a-z][a-z-]*(?: [a-z][a-z-]*)?)(?![\w.])/g))
  return calls.filter((call) => {
    const [, name = '', second] = call.split(' ')
    const command = COMMANDS.get(name)
    if (command === undefined) return true
    const help = command.createHelp()
    const subcommands = help.visibleCommands(command).map((each) => each.name())
    const isArgument = command.registeredArguments.length > 0 || command.commands.length === 0
    return second !== undefined && !isArgument && !subcommands.includes(second)
  })
}

const METRICS = new Set(matchesOf(read('src/telemetry.ts'), /^ {2}(bounced_\w+):/gm))

const unknownMetrics = (_page: string, text: string): string[] =>
  codeOf(text)
    .flatMap((code) => matchesOf(code, /\bbounced_[a-z_]+/g))
    .filter((name) => !METRICS.has(name))

const SETTINGS = loadConfig({}).rows
const PATHS = new Set(SETTINGS.map(({ path }) => path))
const VARIABLES = new Set([
  'BOUNCED_CONFIG',
  'BOUNCED_TEST_POSTGRES',
  'BOUNCED_TEST_SEED',
  ...SETTINGS.flatMap(({ variable, secret }) => (secret ? [variable, `${variable}_FILE`] : [variable])),
])
const GROUPS = new Set(SETTINGS.flatMap(({ path }) => (path.includes('.') ? [path.slice(0, path.indexOf('.'))] : [])))

/** Names of another kind that begin like a setting: events of `bounced trace`, and the file `reporters.toml`. */
const OTHER_NAMES = new Set([...matchesOf(read('src/trace.ts'), /'([a-z]+\.[a-z]+)'/g), 'reporters.toml'])

/** `BOUNCED_SMTP_PORT` and `smtp.port`. */
function unknownSettings(_page: string, text: string): string[] {
  const code = codeOf(text)
  const variables = code.flatMap((each) => matchesOf(each, /\bBOUNCED_[A-Z_]+\b/g)).filter((name) => !VARIABLES.has(name))
  const paths = code.flatMap((each) => matchesOf(each, /^([a-z]\w*\.[a-z]\w*)(?=$| = )/g))
  return [
    ...variables,
    ...paths.filter((path) => GROUPS.has(path.slice(0, path.indexOf('.'))) && !PATHS.has(path) && !OTHER_NAMES.has(path)),
  ]
}

const CHECKS = [
  { names: 'every link leads to a file and a heading', broken: brokenLinks, isForHistory: true },
  { names: 'every file that is named exists', broken: missingFiles, isForHistory: false },
  { names: 'every function is in the file that is named with it', broken: missingNames, isForHistory: false },
  { names: 'every command is one of the command line', broken: unknownCommands, isForHistory: false },
  { names: 'every metric is exported', broken: unknownMetrics, isForHistory: false },
  { names: 'every setting is in the schema', broken: unknownSettings, isForHistory: false },
] as const

test.each(CHECKS)('$names', ({ broken, isForHistory }) => {
  const pages = PAGES.filter((page) => isForHistory || page !== CHANGELOG)
  expect(pages.flatMap((page) => broken(page, read(page)).map((found) => `${page}: ${found}`))).toEqual([])
})

test('every page named in the source exists', () => {
  const named = globSync(['src/**/*.ts', 'scenarios/**/*.toml', 'src/**/*.toml'], { cwd: ROOT }).flatMap((file) =>
    matchesOf(read(file), /\b(docs\/[\w-]+\.md)\b/g).map((page) => ({ file, page })),
  )
  expect(named.filter(({ page }) => !existsSync(join(ROOT, page)))).toEqual([])
})

test('the index lists every page of docs', () => {
  const index = read('docs/README.md')
  const pages = PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md').map((page) => page.slice('docs/'.length))
  expect(pages.filter((page) => !index.includes(`](${page})`))).toEqual([])
})

const PROBES = [
  // page text                                          finds
  [brokenLinks, '[a page](docs/NOWHERE.md)', 'docs/NOWHERE.md'],
  [brokenLinks, '[a heading](README.md#no-such-heading)', 'README.md#no-such-heading'],
  [missingFiles, 'see `src/queue/gone.ts`', 'src/queue/gone.ts'],
  [missingFiles, 'see `queue/schedule/gone`', 'queue/schedule/gone'],
  [missingNames, '`src/errors.ts`, `noSuchFunction`', 'noSuchFunction'],
  [unknownCommands, '`bounced brake apply`', 'bounced brake apply'],
  [unknownCommands, '```sh\nbounced suppression lift\n```\n', 'bounced suppression lift'],
  [unknownMetrics, '`bounced_stage_seconds`', 'bounced_stage_seconds'],
  [unknownSettings, '`delivery.line`', 'delivery.line'],
  [unknownSettings, '`BOUNCED_LIMITS_MAILS`', 'BOUNCED_LIMITS_MAILS'],
] as const

test.each(PROBES)('%o finds in %j', (broken, text, found) => {
  expect(broken('ARCHITECTURE.md', text)).toEqual([found])
})
