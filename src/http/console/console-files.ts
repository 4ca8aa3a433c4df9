/**
 * console-files - the files of the console as a browser gets them, all under one version
 *
 * Reads the folder `console/` once: TypeScript without its types, the style sheets as one, and the libraries from their packages. The version
 * is a digest of all of them and stands in every URL, so that a browser may keep each file for ever and never mixes two releases.
 *
 * See also: http/console/type-stripper, http/console/page-shell (names the files), http/console/console-routes (serves them).
 */
import { createHash } from 'node:crypto'
import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripTypes } from './type-stripper.ts'

/** The sources of the page. */
const FOLDER = join(import.meta.dirname, '../../../console')

/** The first module, and the one style sheet that all `.css` files become. */
const MAIN = 'main.ts'
const STYLES = 'console.css'

/** What a page may import by name, and the module of the package. */
const LIBRARIES = {
  preact: 'preact',
  'preact/hooks': 'preact/hooks',
  htm: 'htm',
  'htm/preact': 'htm/preact',
  '@preact/signals-core': '@preact/signals-core',
  '@preact/signals': '@preact/signals',
  uplot: 'uplot/dist/uPlot.esm.js',
} as const satisfies Readonly<Record<string, string>>

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.ts': 'text/javascript; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export type ConsoleFile = { readonly type: string; readonly body: Buffer }

export type ConsoleFiles = {
  readonly version: string
  /** By path below the version. */
  readonly files: ReadonlyMap<string, ConsoleFile>
  /** Import name → path of the library. */
  readonly libraries: Readonly<Record<string, string>>
  readonly main: string
  readonly styles: string
  /** What `main` imports, directly and through other modules, without dynamic imports. */
  readonly preloads: readonly string[]
}

/** Reads and prepares all files. Faults: config_invalid (a source that cannot be stripped). */
export async function loadConsoleFiles(): Promise<ConsoleFiles> {
  const paths = globSync('**/*.{ts,css,svg}', { cwd: FOLDER }).toSorted()
  const sources = await readSources(paths)
  const modules = await stripTypes(new Map([...sources].filter(([name]) => extname(name) === '.ts')))
  const files = new Map<string, ConsoleFile>()
  const styles: string[] = []
  for (const [name, source] of sources) {
    if (extname(name) === '.css') styles.push(source)
    else addFile(files, name.replace(/^console\//, ''), modules.get(name) ?? source)
  }
  addFile(files, STYLES, styles.join('\n'))
  const libraries = await addLibraries(files)
  const digest = createHash('sha256')
  for (const [path, { body }] of files) digest.update(`${path} ${body.length}\n`).update(body)
  const version = digest.digest('base64url').slice(0, 16)
  return { version, files, libraries, main: MAIN, styles: STYLES, preloads: findPreloads(files, libraries) }
}

/** By name from the folder of the installation, as messages name a file. */
async function readSources(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>()
  for (const path of paths) sources.set(`console/${path.replaceAll('\\', '/')}`, await readFile(join(FOLDER, path), 'utf8'))
  return sources
}

function addFile(files: Map<string, ConsoleFile>, path: string, text: string): void {
  files.set(path, { type: MEDIA_TYPES[extname(path)] ?? 'application/octet-stream', body: Buffer.from(text) })
}

async function addLibraries(files: Map<string, ConsoleFile>): Promise<Readonly<Record<string, string>>> {
  const paths: Record<string, string> = {}
  for (const [name, module] of Object.entries(LIBRARIES)) {
    const path = `libraries/${name.replaceAll(/[@/]/g, '-').replace(/^-/, '')}.js`
    const source = await readFile(fileURLToPath(import.meta.resolve(module)), 'utf8')
    // Source maps are not served.
    addFile(files, path, source.replace(/^\/\/# sourceMappingURL=.*$/m, ''))
    paths[name] = path
  }
  return paths
}

/** The static imports of a module: `import … from 'x'`, `export … from 'x'`, `import 'x'`. */
const IMPORTS = /(?:^|[;}\n])\s*(?:import|export)\b[^'"();]*?['"]([^'"]+)['"]/g

function findPreloads(files: ReadonlyMap<string, ConsoleFile>, libraries: Readonly<Record<string, string>>): string[] {
  const found = new Set<string>()
  const visit = (path: string): void => {
    if (found.has(path) || !files.has(path)) return
    found.add(path)
    for (const [, name = ''] of (files.get(path)?.body.toString() ?? '').matchAll(IMPORTS))
      visit(name.startsWith('.') ? posix.join(posix.dirname(path), name) : (libraries[name] ?? ''))
  }
  visit(MAIN)
  found.delete(MAIN)
  return [...found]
}
