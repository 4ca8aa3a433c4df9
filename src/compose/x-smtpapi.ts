/**
 * x-smtpapi - the X-SMTPAPI extension of a mail: separate recipients, their variables, sections, tracking
 *
 * JSON, or JSON in base64. As a header it may be folded anywhere between its tokens. `to` names recipients who do not see each other, `sub`
 * gives each variable one value for each recipient in order, `pubsub` gives one value for all recipients, `section` gives texts that values
 * can name, `filters` switches tracking. A value may be text, a number or a boolean; null is the empty text.
 *
 * A value of `pubsub` is a section under the name of its variable: it can contain variables of `sub`, and is stored once for all recipients.
 *
 * Pure, total. See also: compose/substitute, docs/SENDING.md.
 */
import { asObject, asString, type JsonObject } from '../mail/mime/json-reader.ts'
import type { TrackingOptions } from './composition.ts'
import { createSubstitutionTemplate } from './substitute.ts'

export type XSmtpApi = {
  /** Null: the recipients are named elsewhere. */
  readonly to: readonly string[] | null
  /** By name of the variable, one value for each recipient. */
  readonly sub: Readonly<Record<string, readonly string[]>>
  /** By name as it stands in a text: the sections, and the variables with one value for all recipients. */
  readonly section: Readonly<Record<string, string>>
  readonly tracking: TrackingOptions
}

type Texts = Readonly<Record<string, string>>

export const MAX_XSMTPAPI_RECIPIENTS = 100
/** In characters, before and after base64: enough for 100 recipients with 20 variables of 500 characters. */
const MAX_XSMTPAPI_LENGTH = 1_048_576
/** Variables and sections. A typical template has about ten. */
const MAX_NAMES = 256
const MAX_NAME_LENGTH = 128
/** Of all names together, in characters: each submission is searched for them once more. */
const MAX_NAMES_TOTAL_LENGTH = 16_384

export const ACCOUNT_DEFAULT_TRACKING: TrackingOptions = { open: null, click: null, subscription: null }

/** `invalid`: malformed. `recipients`: more recipients than one submission may have. */
export type XSmtpApiResult =
  | { readonly ok: true; readonly value: XSmtpApi }
  | { readonly ok: false; readonly problem: 'invalid' | 'recipients' }

const INVALID = { ok: false, problem: 'invalid' } as const

/** Parses the extension. Total: any text gives a value. */
export function readXSmtpApi(text: string): XSmtpApiResult {
  const root = readJson(text)
  if (root === null) return INVALID
  const to = readTo(root['to'])
  const sub = readTexts(root['sub'], readValues)
  const named = readTexts(root['section'], readText)
  const shared = readTexts(root['pubsub'], readSharedValue)
  const tracking = readTracking(root['filters'])
  if (to === undefined || sub === null || named === null || shared === null || tracking === null) return INVALID
  const section = joinSections(named, shared)
  if (section === null) return INVALID
  if ([...Object.keys(sub), ...Object.keys(section)].reduce((sum, name) => sum + name.length, 0) > MAX_NAMES_TOTAL_LENGTH) return INVALID
  if (to !== null && to.length > MAX_XSMTPAPI_RECIPIENTS) return { ok: false, problem: 'recipients' }
  return to !== null && !hasValuesForAll(sub, to.length) ? INVALID : { ok: true, value: { to, sub, section, tracking } }
}

/** Whether every variable has a value for each of this many recipients. */
export function hasValuesForAll(sub: XSmtpApi['sub'], recipients: number): boolean {
  return Object.values(sub).every((values) => values.length === recipients)
}

/** The variables of the recipient at a position. */
export function variablesOfRecipient(sub: XSmtpApi['sub'], index: number): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(sub).map(([name, values]) => [name, values[index] ?? '']))
}

function readJson(text: string): JsonObject | null {
  if (text.length > MAX_XSMTPAPI_LENGTH) return null
  const unfolded = text.replaceAll(/\r?\n[ \t]/g, ' ').trim()
  if (unfolded.startsWith('{')) return parse(unfolded)
  const base64 = unfolded.replaceAll(/\s/g, '')
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(base64) ? parse(Buffer.from(base64, 'base64').toString('utf8')) : null
}

function parse(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return null
  }
}

/** Null: absent. Undefined: malformed. */
function readTo(value: unknown): readonly string[] | null | undefined {
  if (value === undefined || value === null) return null
  if (!Array.isArray(value) || value.length === 0) return undefined
  const found = value.map((each: unknown) => (typeof each === 'string' ? each.trim() : ''))
  return found.includes('') ? undefined : found
}

function readValues(value: unknown): readonly string[] | null {
  if (!Array.isArray(value) || value.length > MAX_XSMTPAPI_RECIPIENTS) return null
  const found = value.map((each: unknown) => readText(each))
  return found.some((each) => each === null) ? null : found.map((each) => each ?? '')
}

/** Null: neither text nor a value that has one obvious text. NUL cannot stand in a mail (RFC 5321 §2.4, RFC 5322 §3.5). */
function readText(value: unknown): string | null {
  const text = value === null ? '' : typeof value === 'boolean' ? String(value) : asString(value)
  return text?.includes('\0') === true ? null : text
}

/** One value, bare or as a list of one. */
function readSharedValue(value: unknown): string | null {
  const values = readValues(Array.isArray(value) ? value : [value])
  return values?.length === 1 ? (values[0] ?? null) : null
}

/** A word without delimiters. */
const BARE_NAME = /^[\p{L}\p{N}_](?:[^%\p{Cc}]*[\p{L}\p{N}\p{M}_])?$/u

/**
 * Writes bare names of sections between percent signs: texts contain `%silver%`, and the vendor's own example names the section `silver`. A
 * name that is written in both ways has the text of the full one.
 */
function withFullNames(named: Texts): Texts {
  const bare = Object.entries(named).filter(([name]) => BARE_NAME.test(name))
  const full = Object.entries(named).filter(([name]) => !BARE_NAME.test(name))
  return Object.fromEntries([...bare.map(([name, text]) => [`%${name}%`, text] as const), ...full])
}

/**
 * One table of sections and values for all recipients. Sections name no sections when they are substituted, so those that name each other
 * here are joined now. Null: too long.
 */
function joinSections(named: Texts, shared: Texts): Texts | null {
  const sections = insertTexts(withFullNames(named), shared)
  const values = sections === null ? null : insertTexts(shared, sections)
  return sections === null || values === null ? null : { ...sections, ...values }
}

/** Inserts texts into others by name, once. Null: the result is longer than an extension may be. */
function insertTexts(into: Texts, texts: Texts): Texts | null {
  if (Object.keys(texts).length === 0) return into
  const substitute = createSubstitutionTemplate({ names: [], sections: texts }, MAX_XSMTPAPI_LENGTH).bind({})
  const found: [string, string][] = []
  let length = 0
  for (const [name, text] of Object.entries(into)) {
    const inserted = substitute(text)
    length += inserted?.length ?? Infinity
    if (inserted === null || length > MAX_XSMTPAPI_LENGTH) return null
    found.push([name, inserted])
  }
  return Object.fromEntries(found)
}

function readTexts<T>(value: unknown, read: (value: unknown) => T | null): Readonly<Record<string, T>> | null {
  if (value === undefined || value === null) return {}
  const entries = Object.entries(asObject(value) ?? { '': null })
  if (entries.length > MAX_NAMES || entries.some(([name]) => name === '' || name.length > MAX_NAME_LENGTH)) return null
  const found = entries.flatMap(([name, each]): [string, T][] => {
    const text = read(each)
    return text === null ? [] : [[name, text]]
  })
  return found.length === entries.length ? Object.fromEntries(found) : null
}

const TRACKING_FILTERS = { open: 'open_tracking', click: 'click_tracking', subscription: 'subscription_tracking' } as const

function readTracking(value: unknown): TrackingOptions | null {
  if (value === undefined || value === null) return ACCOUNT_DEFAULT_TRACKING
  const filters = asObject(value)
  if (filters === null) return null
  const open = readSwitch(filters[TRACKING_FILTERS.open])
  const click = readSwitch(filters[TRACKING_FILTERS.click])
  const subscription = readSwitch(filters[TRACKING_FILTERS.subscription])
  return open === undefined || click === undefined || subscription === undefined ? null : { open, click, subscription }
}

const ENABLED_VALUES: ReadonlySet<unknown> = new Set(['1', 1, 'true', true])
const DISABLED_VALUES: ReadonlySet<unknown> = new Set(['0', 0, 'false', false])

/** `{"settings": {"enable": "1"}}`. Undefined: malformed. */
function readSwitch(value: unknown): boolean | null | undefined {
  if (value === undefined || value === null) return null
  const enable = asObject(asObject(value)?.['settings'])?.['enable']
  if (enable === undefined || enable === null) return null
  return ENABLED_VALUES.has(enable) ? true : DISABLED_VALUES.has(enable) ? false : undefined
}
