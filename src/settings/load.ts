/**
 * load - reads the settings from a TOML file and from BOUNCED_… variables, and checks them against the schema
 *
 * A setting is named by its path (`smtp.port`). Its variable is BOUNCED_ and the path in capitals (`BOUNCED_SMTP_PORT`). The environment
 * overrides the file, the file overrides the default. A secret may be in a file of its own (settings/secret-files). Unknown keys and variables are refused, with the nearest known name. Settings are fixed
 * until the next start. What an account can change is stored in the database (ledger/account-settings).
 *
 * See also: settings/schema, commands/config (prints the settings), daemon/app (distributes them).
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { closest } from 'fastest-levenshtein'
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import { Fault } from '../errors.ts'
import { fileFault, isSystemError } from '../file-fault.ts'
import { exposureWarningsOf } from './exposure.ts'
import { SETTINGS_SCHEMA } from './schema.ts'
import { readSecretFiles, secretFileVariableOf } from './secret-files.ts'
import type { Settings } from './schema.ts'
import { settingNoteOf } from './setting.ts'
import type { SettingNote } from './setting.ts'

type SettingSource = 'default' | 'file' | 'environment'

/** One setting: its path, its variable, its value, and the source of that value. */
export type SettingRow = SettingNote & {
  readonly path: string
  readonly variable: string
  readonly value: unknown
  readonly source: SettingSource
}
export type Config = {
  readonly settings: Settings
  readonly rows: readonly SettingRow[]
  readonly warnings: readonly string[]
  readonly file: string | null
}

type SettingLeaf = { readonly path: readonly string[]; readonly type: z.ZodType; readonly note: SettingNote }

/** Returns the settings in the order of the schema. */
function settingLeavesOf(schema: z.ZodType, path: readonly string[] = []): SettingLeaf[] {
  const note = settingNoteOf(schema)
  if (note) return [{ path, type: schema, note }]
  const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : schema
  if (!(inner instanceof z.ZodObject)) return []
  return Object.entries(inner.shape).flatMap(([name, child]) => (child instanceof z.ZodType ? settingLeavesOf(child, [...path, name]) : []))
}

const SETTING_LEAVES = settingLeavesOf(SETTINGS_SCHEMA)

/** `limits.mailBytes` → `BOUNCED_LIMITS_MAIL_BYTES`. */
function variableNameOf(path: readonly string[]): string {
  return `BOUNCED_${path.map((part) => part.replaceAll(/[A-Z]/g, (letter) => `_${letter}`)).join('_')}`.toUpperCase()
}

type TomlTable = { [key: string]: unknown }

const SECRET_VARIABLES = SETTING_LEAVES.filter(({ note }) => note.secret).map(({ path }) => variableNameOf(path))

/** Reads the settings. `file` overrides BOUNCED_CONFIG. Faults: config_invalid, with one line for each problem. */
export function loadConfig(given: Readonly<Record<string, string | undefined>>, file: string | null = null): Config {
  const { env, problems: secretProblems } = readSecretFiles(given, SECRET_VARIABLES)
  const configFile = file ?? env['BOUNCED_CONFIG'] ?? null
  const fromFile = configFile === null ? {} : readTomlFile(configFile)
  const fileKeys = pathsOf(fromFile)
  const problems = [...unknownKeys(fileKeys, configFile), ...unknownVariables(env), ...secretProblems]
  const merged = structuredClone(fromFile)
  for (const leaf of SETTING_LEAVES) {
    const value = env[variableNameOf(leaf.path)]
    if (value !== undefined && value !== '') setAtPath(merged, leaf.path, parseSettingText(leaf.type, value))
  }
  const parsed = problems.length > 0 ? null : SETTINGS_SCHEMA.safeParse(merged)
  if (parsed && !parsed.success) problems.push(...parsed.error.issues.map((issue) => `${formatPath(issue.path, env)}: ${issue.message}`))
  if (!parsed?.success) throw new Fault('config_invalid', problems.join('\n'), { detail: { file: configFile } })
  const rows = SETTING_LEAVES.map((leaf) => settingRowOf(leaf, parsed.data, env, fromFile))
  return { settings: parsed.data, rows, warnings: warningsOf(parsed.data), file: configFile }
}

function readTomlFile(file: string): TomlTable {
  try {
    return parseToml(readFileSync(file, 'utf8'))
  } catch (cause) {
    if (isSystemError(cause))
      throw fileFault({ what: 'the settings file', path: file, remedy: 'name another one with --config or BOUNCED_CONFIG' }, cause)
    throw new Fault('config_invalid', `${file}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, { cause })
  }
}

/** Returns the path of every value in a table. */
function pathsOf(table: TomlTable, path: readonly string[] = []): string[][] {
  return Object.entries(table).flatMap(([key, value]) => (isTomlTable(value) ? pathsOf(value, [...path, key]) : [[...path, key]]))
}

/** Returns whether a value is a TOML table: an object that is neither an array nor a date. */
function isTomlTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function unknownKeys(paths: readonly string[][], file: string | null): string[] {
  const known = SETTING_LEAVES.map((leaf) => leaf.path.join('.'))
  return paths
    .map((path) => path.join('.'))
    .filter((path) => !known.includes(path))
    .map((path) => `${file ?? ''}: unknown key "${path}"; the nearest known one is "${closest(path, known)}"`)
}

function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = [
    'BOUNCED_CONFIG',
    ...SETTING_LEAVES.map((leaf) => variableNameOf(leaf.path)),
    ...SECRET_VARIABLES.map(secretFileVariableOf),
  ]
  return Object.keys(env)
    .filter((name) => name.startsWith('BOUNCED_') && !known.includes(name))
    .map((name) => `unknown variable ${name}; the nearest known one is ${closest(name, known)}`)
}

/** Converts the text of a variable to the type of its setting. Leaves a text that does not fit for the schema to refuse. */
export function parseSettingText(type: z.ZodType, value: string): unknown {
  const base = baseOf(type)
  if (base instanceof z.ZodNumber) return /^-?[\d.]+$/.test(value) ? Number(value) : value
  if (base instanceof z.ZodBoolean) return value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value
  if (base instanceof z.ZodArray) return value.startsWith('[') ? parseJsonOrKeep(value) : value.split(',').map((part) => part.trim())
  return value
}

/** An array of objects, as JSON. Text that is none is left for the schema to refuse. */
function parseJsonOrKeep(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

function baseOf(type: z.core.$ZodType): z.core.$ZodType {
  return type instanceof z.ZodDefault || type instanceof z.ZodOptional ? baseOf(type.unwrap()) : type
}

function setAtPath(table: TomlTable, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path
  if (head === undefined) return
  if (rest.length === 0) table[head] = value
  else {
    const child = table[head]
    const next = isTomlTable(child) ? child : {}
    table[head] = next
    setAtPath(next, rest, value)
  }
}

function getAtPath(table: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isTomlTable(at) ? at[key] : undefined), table)
}

function settingRowOf(
  leaf: SettingLeaf,
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
  file: TomlTable,
): SettingRow {
  const variable = variableNameOf(leaf.path)
  const source = env[variable] ? 'environment' : getAtPath(file, leaf.path) === undefined ? 'default' : 'file'
  return { ...leaf.note, path: leaf.path.join('.'), variable, value: getAtPath(settings, leaf.path), source }
}

function formatPath(path: readonly PropertyKey[], env: Readonly<Record<string, string | undefined>>): string {
  const parts = path.filter((part) => typeof part === 'string')
  return env[variableNameOf(parts)] ? variableNameOf(parts) : parts.join('.')
}

/** The local part of an SRS address (64 octets, RFC 5321 §4.5.3.1.1) holds the SRS prefix, our domain and a token of 30 characters. */
const MAX_RETURN_PATH_DOMAIN_OCTETS = 20

/** 20 random characters of base64 are 120 bits. */
const MIN_API_KEY_LENGTH = 20

/** Warns of a Return-Path domain that SRS makes too long; null: it is short enough. */
export function longReturnPathWarningOf(domain: string): string | null {
  const size = Buffer.byteLength(domain)
  if (size <= MAX_RETURN_PATH_DOMAIN_OCTETS) return null
  return `returnPathDomain has ${size} octets: above ${MAX_RETURN_PATH_DOMAIN_OCTETS} a forwarder that rewrites by SRS may truncate the token`
}

function warningsOf(settings: Settings): string[] {
  const warnings: string[] = []
  const longName = longReturnPathWarningOf(settings.returnPathDomain)
  if (longName !== null) warnings.push(longName)
  if (settings.apiKey !== undefined && settings.apiKey.length < MIN_API_KEY_LENGTH)
    warnings.push('apiKey is short: use at least 20 random characters')
  if (settings.returnPathDomain === settings.feedbackDomain)
    warnings.push('returnPathDomain and feedbackDomain are the same: use two domains, because feedback loops are registered by domain')
  if ((settings.tls.cert === undefined) !== (settings.tls.key === undefined))
    warnings.push('only one of tls.cert and tls.key is set: set both; STARTTLS uses a self-signed certificate')
  return [...warnings, ...exposureWarningsOf(settings)]
}

/** Returns the URL of the database. `sqlite:` alone is a file in the data folder. */
export function databaseUrlOf(settings: Settings): string {
  if (!settings.database.startsWith('sqlite:')) return settings.database
  const file = settings.database.slice('sqlite:'.length)
  return `sqlite:${file === '' ? join(resolve(settings.data), 'bounced.db') : file}`
}

/** Returns the file of SQLite, null with PostgreSQL. */
export function databaseFileOf(settings: Settings): string | null {
  const url = databaseUrlOf(settings)
  return url.startsWith('sqlite:') ? url.slice('sqlite:'.length) : null
}
