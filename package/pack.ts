/**
 * pack - makes the npm package: compiled source, types of what it exports, data files, and a package.json of its own
 *
 *     npm run package -- FOLDER       writes FOLDER/bounced-VERSION.tgz and prints its path
 *
 * Node does not strip types below node_modules, so that tsc compiles the source. The package depends only on packages that its files import, in our versions; it
 * must not bring a Node of its own, which would replace the consumer's.
 *
 * See also: package/README.md (the page of the package), bin/bounced.mjs (its command), src/library (its exports).
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize, resolve } from 'node:path'
import { z } from 'zod'
import { packagesOf, specifiersOf } from './imports.ts'

const ROOT = join(import.meta.dirname, '..')

/** What the import needs. The command says by itself that the daemon needs a newer Node. */
const ENGINES = { node: '>=22' }

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  license: z.string(),
  dependencies: z.record(z.string(), z.string()),
  optionalDependencies: z.record(z.string(), z.string()),
})

/** Makes the tarball in a folder and returns its path. Throws if the source does not compile. */
function pack(folder: string): string {
  const staging = mkdtempSync(join(tmpdir(), 'bounced-package-'))
  try {
    compile(staging)
    copyFiles(staging)
    writeFileSync(join(staging, 'package.json'), `${JSON.stringify(manifestOf(staging), null, 2)}\n`)
    mkdirSync(folder, { recursive: true })
    const npm = ['pack', '--ignore-scripts', '--silent', '--pack-destination', resolve(folder)]
    const name = execFileSync('npm', npm, { cwd: staging, encoding: 'utf8' }).trim()
    return join(folder, name)
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** Compiles `src` into `dist`, with the declarations of what `library` exports and of all that they name. */
function compile(staging: string): void {
  const build = join(staging, 'build')
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
  execFileSync(tsc, ['-p', join(import.meta.dirname, 'tsconfig.json'), '--outDir', build], { stdio: ['ignore', 2, 2] })
  const copy = (path: string, text: string): void => {
    mkdirSync(dirname(join(staging, 'dist', path)), { recursive: true })
    writeFileSync(join(staging, 'dist', path), text)
  }
  for (const path of globSync('**/*.js', { cwd: build })) copy(path, readFileSync(join(build, path), 'utf8'))
  for (const [path, text] of declarationsFrom(build, 'library.d.ts')) copy(path, text)
  rmSync(build, { recursive: true })
}

/** A declaration and those that it imports. tsc writes `.ts` into their imports, which the package does not have. */
function declarationsFrom(build: string, entry: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const visit = (path: string): void => {
    if (found.has(path)) return
    const text = readFileSync(join(build, path), 'utf8')
    found.set(path, text.replaceAll(/(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g, '$1$2.js$1'))
    for (const specifier of specifiersOf(path, text))
      if (specifier.startsWith('.')) visit(normalize(join(dirname(path), specifier.replace(/\.ts$/, '.d.ts'))))
  }
  visit(entry)
  return found
}

/** Data files keep their place beside the code, and the console is served from its source. */
function copyFiles(staging: string): void {
  const isData = (path: string): boolean => !path.endsWith('.ts')
  cpSync(join(ROOT, 'src'), join(staging, 'dist'), { recursive: true, filter: (path) => isData(path) })
  const isPage = (path: string): boolean => !/README\.md$|tsconfig\.json$/.test(path)
  cpSync(join(ROOT, 'console'), join(staging, 'console'), { recursive: true, filter: isPage })
  cpSync(join(ROOT, 'bin', 'bounced.mjs'), join(staging, 'bin', 'bounced.mjs'))
  cpSync(join(import.meta.dirname, 'README.md'), join(staging, 'README.md'))
  cpSync(join(ROOT, 'LICENSE'), join(staging, 'LICENSE'))
}

/** Throws if the packed files import a package that ours does not depend on. */
function manifestOf(staging: string): object {
  const {
    dependencies: required,
    optionalDependencies,
    ...own
  } = manifestSchema.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))
  // The package needs all that it imports; only an installation from the clone leaves optional ones out.
  const dependencies: Readonly<Record<string, string>> = { ...required, ...optionalDependencies }
  const imported = packagesOf(staging, globSync(['dist/**/*.js', 'console/**/*.ts'], { cwd: staging }))
  const missing = imported.filter((name) => dependencies[name] === undefined)
  if (missing.length > 0) throw new Error(`package.json has no dependency ${missing.join(', ')}`)
  return {
    ...own,
    type: 'module',
    engines: ENGINES,
    exports: { '.': { types: './dist/library.d.ts', default: './dist/library.js' }, './package.json': './package.json' },
    bin: { bounced: 'bin/bounced.mjs' },
    dependencies: Object.fromEntries(imported.map((name) => [name, dependencies[name]])),
  }
}

const [folder, ...rest] = process.argv.slice(2)
if (folder === undefined || rest.length > 0 || (existsSync(folder) && existsSync(join(folder, 'package.json')))) {
  console.error('usage: npm run package -- FOLDER (the folder for the tarball, not that of another package)')
  process.exit(2)
}
console.log(pack(folder))
