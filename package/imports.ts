/**
 * imports - what modules import: static and dynamic imports, re-exports, and `import.meta.resolve`
 *
 * A name that is computed at run time is not seen; the console's libraries are found in the pages that import them.
 * See also: package/pack.
 */
import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'

/** `import('x')` and `import.meta.resolve('x')`, in code and in the types of a declaration. */
const CALLS = /\bimport(?:\.meta\.resolve)?\(\s*(['"])([^'"\n]+)\1/g

/** The names that a module imports. Throws if it does not parse. */
export function specifiersOf(path: string, text: string): readonly string[] {
  const { module, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message ?? 'does not parse'}`)
  const exported = module.staticExports.flatMap(({ entries }) => entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []))
  const called = [...text.matchAll(CALLS)].flatMap(([, , name]) => name ?? [])
  return [...module.staticImports.map(({ moduleRequest }) => moduleRequest.value), ...exported, ...called]
}

/** The packages that files import, sorted. */
export function packagesOf(folder: string, paths: readonly string[]): readonly string[] {
  const names = paths
    .flatMap((path) => specifiersOf(path, readFileSync(join(folder, path), 'utf8')))
    .filter((name) => !name.startsWith('.') && !isBuiltin(name))
    .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'))
  return [...new Set(names)].toSorted()
}
