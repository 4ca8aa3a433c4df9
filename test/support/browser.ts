/**
 * browser - one Chromium for a whole test run
 *
 * Unpacks the Chromium of the development dependency @sparticuz/chromium (Linux x64) once into `node_modules/.cache`, starts it, and provides
 * its WebSocket endpoint, to which the test files connect. On other systems it starts `CHROMIUM_PATH` or `/usr/bin/chromium`; where there is
 * neither, the tests are skipped and the reason is printed. The browser resolves no name but `localhost`, so that no test reaches the network.
 *
 * See also: test/support/browser-page.ts, vitest.config.ts.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import archive, { inflate } from '@sparticuz/chromium'
import { chromium, type BrowserServer } from 'playwright-core'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The WebSocket endpoint of the running browser, or null if there is none. */
    browser: string | null
  }
}

const MODULES = join(import.meta.dirname, '../../node_modules')
const PACKAGE = join(MODULES, '@sparticuz/chromium')

/** Playwright's own flags are added to these. */
const FLAGS = [
  // No background traffic of the browser itself, and no look-ups by pages: everything under test is on loopback.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--no-pings',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
  // Containers often have a /dev/shm of 64 MB.
  '--disable-dev-shm-usage',
  '--disable-gpu',
  // The same glyph positions on every machine.
  '--font-render-hinting=none',
]

type Program = { readonly path: string; readonly env: Readonly<Record<string, string>> }

/** The globalSetup of vitest. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await start()
  project.provide('browser', server?.wsEndpoint() ?? null)
  return async () => server?.close()
}

async function start(): Promise<BrowserServer | null> {
  try {
    const program = await findProgram()
    if (program === null) return skipNote('no Chromium found (@sparticuz/chromium, CHROMIUM_PATH, /usr/bin/chromium)')
    const isRoot = process.getuid?.() === 0
    return await chromium.launchServer({
      executablePath: program.path,
      env: { ...definedVariables(), ...program.env },
      args: [...FLAGS, ...(isRoot ? ['--no-sandbox'] : [])],
      chromiumSandbox: !isRoot,
      host: '127.0.0.1',
    })
  } catch (error) {
    return skipNote(`Chromium did not start: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function skipNote(reason: string): null {
  console.warn(`\n[tests] ${reason}: the tests in a browser are skipped\n`)
  return null
}

/** A given program wins over the package's, which wins over the system's. */
async function findProgram(): Promise<Program | null> {
  const given = process.env['CHROMIUM_PATH'] ?? ''
  if (given !== '') return { path: given, env: {} }
  if (process.platform === 'linux' && process.arch === 'x64' && existsSync(PACKAGE)) return makeRunnable(await unpack())
  const system = '/usr/bin/chromium'
  return existsSync(system) ? { path: system, env: {} } : null
}

/**
 * The folder with the package's files, unpacked. The package unpacks to fixed names below TMPDIR; a folder of its own, renamed when it is
 * complete, lets several runs start at the same time.
 */
async function unpack(): Promise<string> {
  const cache = join(MODULES, '.cache')
  const folder = join(cache, `chromium-${readVersion()}`)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const made = mkdtempSync(join(cache, 'chromium-'))
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = made
  try {
    await archive.executablePath()
    await inflate(join(PACKAGE, 'bin/al2023.tar.br'))
    renameSync(made, folder)
  } catch (error) {
    // Another run was faster: a folder that is not empty cannot be replaced.
    if (!existsSync(folder)) throw error
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(made, { recursive: true, force: true })
  }
  return folder
}

function readVersion(): string {
  const found: unknown = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
  return typeof found === 'object' && found !== null && 'version' in found ? String(found.version) : 'unknown'
}

/** Adds the package's libraries (libnss3, libnspr4 …) and fonts where the system has none. Throws what the loader says if they do not help. */
function makeRunnable(folder: string): Program {
  const path = join(folder, 'chromium')
  const fonts = existsSync('/etc/fonts/fonts.conf') ? {} : { FONTCONFIG_PATH: join(folder, 'fonts') }
  const libraries = { LD_LIBRARY_PATH: [join(folder, 'al2023/lib'), process.env['LD_LIBRARY_PATH'] ?? ''].filter(Boolean).join(':') }
  let problem = ''
  for (const env of [fonts, { ...fonts, ...libraries }]) {
    const { status, stderr, error } = spawnSync(path, ['--version'], { env: { ...definedVariables(), ...env }, encoding: 'utf8' })
    if (status === 0) return { path, env }
    problem = stderr || error?.message || `exit status ${status}`
  }
  throw new Error(problem)
}

function definedVariables(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
