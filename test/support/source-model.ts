/**
 * source-model - the source of the project as values: what each file exports, imports and declares, and how long its functions are
 *
 * test/law.test.ts and test/words.test.ts check these values. oxc-parser parses each file once a process.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'

const ROOT = join(import.meta.dirname, '..', '..')

/** A relative import, type imports included. `*` in `names` means that the importer may use every export. */
export type ImportEdge = { readonly target: string; readonly names: readonly string[] }

type SourceFunction = { readonly name: string; readonly lines: number }

/** One file; `path` is relative to the repository. `lines` counts line breaks; `identifiers` holds each declared name once. */
export type SourceFile = {
  readonly path: string
  readonly lines: number
  readonly exports: readonly string[]
  readonly imports: readonly ImportEdge[]
  readonly functions: readonly SourceFunction[]
  readonly identifiers: readonly string[]
}

type Parsed = ReturnType<typeof parseSync>

/** Reads every `.ts` file below `folder` ("src", "test", "bench"). Throws for a file that does not parse. */
export function readSourceFiles(folder: string): readonly SourceFile[] {
  return globSync('**/*.ts', { cwd: join(ROOT, folder) })
    .toSorted()
    .map((path) => parseSourceFile(join(folder, path), readFileSync(join(ROOT, folder, path), 'utf8')))
}

/** Parses the text of one file. `path` is relative to the repository. Throws if the text does not parse. */
export function parseSourceFile(path: string, text: string): SourceFile {
  const { module, program, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message ?? 'does not parse'}`)
  return {
    path,
    lines: text.split('\n').length - 1,
    exports: [...new Set(module.staticExports.flatMap(({ entries }) => entries.flatMap(({ exportName }) => exportName.name ?? [])))],
    imports: [...staticEdges(path, module), ...dynamicEdges(path, text)],
    functions: functionsOf(program, text),
    identifiers: identifiersOf(program),
  }
}

type FunctionNode = {
  readonly start: number
  readonly end: number
  readonly id?: { readonly name: string } | null
  readonly body?: unknown
}

/** Every function with a body, nested ones included. */
function functionsOf(program: Parsed['program'], text: string): readonly SourceFunction[] {
  const functions: SourceFunction[] = []
  const add = ({ start, end, id, body }: FunctionNode): void => {
    if (body === null) return
    functions.push({ name: id?.name ?? 'an anonymous function', lines: text.slice(start, end).split('\n').length })
  }
  new Visitor({ FunctionDeclaration: add, FunctionExpression: add, ArrowFunctionExpression: add }).visit(program)
  return functions
}

/** Names of variables, parameters, functions, classes, types and their members. Keys of object literals are not declarations. */
function identifiersOf(program: Parsed['program']): readonly string[] {
  const names = new Set<string>()
  const declare = (node: unknown): void => namesIn(node).forEach((name) => names.add(name))
  const declareFunction = (node: { readonly id?: unknown; readonly params: readonly unknown[] }): void => {
    declare(node.id)
    node.params.forEach(declare)
  }
  const declareMember = (node: { readonly computed: boolean; readonly key: unknown }): void => {
    if (!node.computed) declare(node.key)
  }
  new Visitor({
    FunctionDeclaration: declareFunction,
    FunctionExpression: declareFunction,
    ArrowFunctionExpression: declareFunction,
    VariableDeclarator: ({ id }) => declare(id),
    ClassDeclaration: ({ id }) => declare(id),
    CatchClause: ({ param }) => declare(param),
    TSTypeAliasDeclaration: ({ id }) => declare(id),
    TSInterfaceDeclaration: ({ id }) => declare(id),
    TSTypeParameter: ({ name }) => declare(name),
    TSPropertySignature: declareMember,
    TSMethodSignature: declareMember,
    PropertyDefinition: declareMember,
    MethodDefinition: declareMember,
  }).visit(program)
  return [...names].toSorted()
}

/** The names that a binding declares: a plain name, or those in a destructuring pattern. */
function namesIn(node: unknown): readonly string[] {
  const { type, name, argument, left, elements, properties, value } = Object(node)
  switch (type) {
    case 'Identifier':
      return [String(name)]
    case 'RestElement':
      return namesIn(argument)
    case 'AssignmentPattern':
      return namesIn(left)
    case 'ArrayPattern':
      return [elements].flat().flatMap(namesIn)
    case 'ObjectPattern':
      return [properties].flat().flatMap(namesIn)
    case 'Property':
      return namesIn(value)
    default:
      return []
  }
}

function staticEdges(path: string, module: Parsed['module']): ImportEdge[] {
  const imports = module.staticImports.map(({ moduleRequest, entries }) => ({
    from: moduleRequest.value,
    names: entries.map(({ importName }) => importName.name ?? '*'),
  }))
  const reexports = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, importName }) =>
      moduleRequest === null ? [] : [{ from: moduleRequest.value, names: [importName.name ?? '*'] }],
    ),
  )
  return [...imports, ...reexports]
    .filter(({ from }) => from.startsWith('.'))
    .map(({ from, names }) => ({ target: resolve(path, from), names }))
}

const DYNAMIC = /(?:\{([^{}]*)\} = await )?\(?(?:await )?\bimport\(['"](\.[^'"]+)['"]\)(?:\)?\.(\w+))?|new URL\(['"](\.[^'"]+\.ts)['"]/g

/** `import('./x.ts')` with the names that follow it, and the URL of a worker. */
function dynamicEdges(path: string, text: string): ImportEdge[] {
  return [...text.matchAll(DYNAMIC)].map(([, destructured, module, member, worker]) => ({
    target: resolve(path, module ?? worker ?? ''),
    names: destructured?.split(',').map((each) => each.split(':')[0]?.trim() ?? '') ?? [
      member === undefined || member === 'then' ? '*' : member,
    ],
  }))
}

const resolve = (path: string, from: string): string => relative(ROOT, join(ROOT, dirname(path), from))
