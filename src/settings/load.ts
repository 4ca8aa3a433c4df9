/**
 * load - the settings in force: one schema over a TOML file and BOUNCED_… variables
 *
 * A setting is named by its path (`smtp.port`); its variable is BOUNCED_ and the path in capitals (`BOUNCED_SMTP_PORT`). The
 * environment wins over the file, the file over the default. Unknown keys are refused in both, with the nearest known one.
 * Fixed until restart; what an account may set for itself lies in the store (ledger settings).
 *
 * See also: settings (the schema), commands/config (prints what is in force), app (hands each part its share).
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { closest } from 'fastest-levenshtein'
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import { Fault } from '../errors.ts'
import { SCHEMA } from './schema.ts'
import type { Settings } from './schema.ts'
import { noteOf } from './setting.ts'
import type { SettingNote } from './setting.ts'

export type Source = 'default' | 'file' | 'environment'

/** One leaf of the schema: its path, its variable, its value in force, and who said so. */
export type SettingRow = SettingNote & {
  readonly path: string
  readonly variable: string
  readonly value: unknown
  readonly source: Source
}
export type Config = {
  readonly settings: Settings
  readonly rows: readonly SettingRow[]
  readonly warnings: readonly string[]
  readonly file: string | null
}

type Leaf = { readonly path: readonly string[]; readonly type: z.ZodType; readonly note: SettingNote }

/** Leaves in the order of the schema. */
function leavesOf(schema: z.ZodType, path: readonly string[] = []): Leaf[] {
  const note = noteOf(schema)
  if (note) return [{ path, type: schema, note }]
  const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : schema
  if (!(inner instanceof z.ZodObject)) return []
  return Object.entries(inner.shape).flatMap(([name, child]) => (child instanceof z.ZodType ? leavesOf(child, [...path, name]) : []))
}

const LEAVES = leavesOf(SCHEMA)

/** `limits.mailBytes` → `BOUNCED_LIMITS_MAIL_BYTES`. */
function variableOf(path: readonly string[]): string {
  return `BOUNCED_${path.map((part) => part.replaceAll(/[A-Z]/g, (letter) => `_${letter}`)).join('_')}`.toUpperCase()
}

type Tree = { [key: string]: unknown }

/** Reads the settings. `file` wins over BOUNCED_CONFIG. Faults: config_invalid, with every problem on a line of its own. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>, file: string | null = null): Config {
  const chosen = file ?? env['BOUNCED_CONFIG'] ?? null
  const fromFile = chosen === null ? {} : readTree(chosen)
  const given = pathsOf(fromFile)
  const problems = [...unknownKeys(given, chosen), ...unknownVariables(env)]
  const merged = structuredClone(fromFile)
  for (const leaf of LEAVES) {
    const value = env[variableOf(leaf.path)]
    if (value !== undefined && value !== '') put(merged, leaf.path, fromText(leaf.type, value))
  }
  const parsed = problems.length > 0 ? null : SCHEMA.safeParse(merged)
  if (parsed && !parsed.success) problems.push(...parsed.error.issues.map((issue) => `${sayPath(issue.path, env)}: ${issue.message}`))
  if (!parsed?.success) throw new Fault('config_invalid', problems.join('\n'), { detail: { file: chosen } })
  const rows = LEAVES.map((leaf) => rowOf(leaf, parsed.data, env, fromFile))
  return { settings: parsed.data, rows, warnings: warningsOf(parsed.data), file: chosen }
}

function readTree(file: string): Tree {
  try {
    return parseToml(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new Fault('config_invalid', `${file}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, { cause })
  }
}

/** Every leaf of a tree, and every table that holds nothing. */
function pathsOf(tree: Tree, path: readonly string[] = []): string[][] {
  return Object.entries(tree).flatMap(([key, value]) => (isTree(value) ? pathsOf(value, [...path, key]) : [[...path, key]]))
}

/** A table of TOML: an object that is neither an array nor a date. The `as` only widens: every own key may be read. */
function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function unknownKeys(paths: readonly string[][], file: string | null): string[] {
  const known = LEAVES.map((leaf) => leaf.path.join('.'))
  return paths
    .map((path) => path.join('.'))
    .filter((path) => !known.includes(path))
    .map((path) => `${file ?? ''}: unknown key "${path}"; the nearest known one is "${closest(path, known)}"`)
}

function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = ['BOUNCED_CONFIG', ...LEAVES.map((leaf) => variableOf(leaf.path))]
  return Object.keys(env)
    .filter((name) => name.startsWith('BOUNCED_') && !known.includes(name))
    .map((name) => `unknown variable ${name}; the nearest known one is ${closest(name, known)}`)
}

/** The text of a variable as the kind of value its setting takes; what does not fit is left for the schema to refuse. */
export function fromText(type: z.ZodType, value: string): unknown {
  const base = baseOf(type)
  if (base instanceof z.ZodNumber) return /^-?[\d.]+$/.test(value) ? Number(value) : value
  if (base instanceof z.ZodBoolean) return value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value
  if (base instanceof z.ZodArray) return value.split(',').map((part) => part.trim())
  return value
}

function baseOf(type: z.core.$ZodType): z.core.$ZodType {
  return type instanceof z.ZodDefault || type instanceof z.ZodOptional ? baseOf(type.unwrap()) : type
}

function put(tree: Tree, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path
  if (head === undefined) return
  if (rest.length === 0) tree[head] = value
  else {
    const child = tree[head]
    const next = isTree(child) ? child : {}
    tree[head] = next
    put(next, rest, value)
  }
}

function take(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isTree(at) ? at[key] : undefined), tree)
}

function rowOf(leaf: Leaf, settings: Settings, env: Readonly<Record<string, string | undefined>>, file: Tree): SettingRow {
  const variable = variableOf(leaf.path)
  const source = env[variable] ? 'environment' : take(file, leaf.path) === undefined ? 'default' : 'file'
  return { ...leaf.note, path: leaf.path.join('.'), variable, value: take(settings, leaf.path), source }
}

function sayPath(path: readonly PropertyKey[], env: Readonly<Record<string, string | undefined>>): string {
  const parts = path.filter((part) => typeof part === 'string')
  return env[variableOf(parts)] ? variableOf(parts) : parts.join('.')
}

/** RFC 5321 §4.5.3.1.1: 64 octets of local part must hold SRS0's frame, our domain and a token of 30. */
const MAX_RETURN_PATH_DOMAIN = 20

/** 20 random characters of base64 are 120 bits. */
const SHORT_KEY = 20

function warningsOf(settings: Settings): string[] {
  const warnings: string[] = []
  const size = Buffer.byteLength(settings.returnPathDomain)
  if (size > MAX_RETURN_PATH_DOMAIN)
    warnings.push(`returnPathDomain has ${size} octets: above ${MAX_RETURN_PATH_DOMAIN} a forwarder that rewrites by SRS may cut the token`)
  if (settings.apiKey !== undefined && settings.apiKey.length < SHORT_KEY)
    warnings.push('apiKey is short: take at least 20 random characters')
  if (settings.returnPathDomain === settings.feedbackDomain)
    warnings.push('returnPathDomain and feedbackDomain are the same: feedback loops are enrolled by domain, keep them apart')
  if ((settings.tls.cert === undefined) !== (settings.tls.key === undefined))
    warnings.push('tls.cert and tls.key go together: only one is set, STARTTLS uses our own certificate')
  return warnings
}

/** Where the store is: `sqlite:` alone lies in the data folder. */
export function databaseOf(settings: Settings): string {
  if (!settings.database.startsWith('sqlite:')) return settings.database
  const file = settings.database.slice('sqlite:'.length)
  return `sqlite:${file === '' ? join(resolve(settings.data), 'bounced.db') : file}`
}
