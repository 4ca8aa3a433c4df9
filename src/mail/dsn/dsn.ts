/**
 * dsn - delivery status fields, one group a recipient
 *
 * Reads them wherever they stand and however they are broken: groups without a blank line between, blank lines inside
 * a group, replies whose lines are not folded, a group without an address. Nothing is guessed: what is absent is null.
 *
 * Pure, total, at most 1,000 groups. RFC 3464, RFC 6533 (internationalised), RFC 3461 (xtext). See also: mail/report.
 */
import { bareAddress, decodeXtext, splitTyped } from '../mime/address.ts'
import { parseDate } from '../mime/date.ts'
import type { Action } from '../report.ts'

export type StatusGroup = {
  readonly final: string | null
  readonly original: string | null
  readonly action: Action | null
  readonly status: string | null
  /** Diagnostic-Code without its type, line breaks kept. */
  readonly diagnostic: string
  readonly diagnosticType: string
  readonly remoteMta: string | null
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
}

export type StatusReport = {
  readonly reportingMta: string | null
  readonly envelopeId: string | null
  readonly groups: readonly StatusGroup[]
}

export const MAX_GROUPS = 1_000
const MAX_FIELD = 8_192
const MAX_LINES = 40_000

/** Fields of RFC 3464 that speak of one recipient; the others speak of the mail. */
const OF_RECIPIENT: ReadonlySet<string> = new Set([
  'final-recipient',
  'original-recipient',
  'action',
  'status',
  'diagnostic-code',
  'remote-mta',
  'last-attempt-date',
  'will-retry-until',
  'final-log-id',
  'x-actual-recipient',
  'x-outbound-mta',
  'x-display-name',
  'x-supplementary-info',
  'smtp-code',
  'localized-final-recipient',
  'x-actual-status',
])
const OF_MAIL: ReadonlySet<string> = new Set([
  'reporting-mta',
  'original-envelope-id',
  'arrival-date',
  'dsn-gateway',
  'received-from-mta',
  'x-postfix-queue-id',
  'x-postfix-sender',
])

type Fields = Map<string, string>

/** Reads every text that holds status fields. Total. */
export function readStatus(texts: readonly string[]): StatusReport {
  const mail: Fields = new Map()
  const groups: Fields[] = []
  for (const text of texts) readText(text, mail, groups)
  return {
    reportingMta: hostOf(mail.get('reporting-mta')),
    envelopeId: envelopeOf(mail.get('original-envelope-id')),
    groups: groups.filter(isGroup).slice(0, MAX_GROUPS).map(toGroup),
  }
}

const NAME = /^[A-Za-z][A-Za-z0-9-]{2,60}[ \t]{0,4}$/

function readText(text: string, mail: Fields, groups: Fields[]): void {
  let group: Fields | null = null
  let blank = true
  let last: { into: Fields; name: string } | null = null
  for (const row of text.split('\n', MAX_LINES)) {
    const line = row.trimEnd()
    if (line === '') {
      blank = true
      continue
    }
    const colon = line.slice(0, 66).indexOf(':')
    const written = colon < 3 ? '' : line.slice(0, colon)
    const name = NAME.test(written) ? written.trimEnd().toLowerCase() : ''
    if (!isFieldName(name)) {
      if (last !== null && !blank) append(last.into, last.name, line)
      continue
    }
    if (OF_MAIL.has(name)) {
      if (blank) group = null
      last = set(mail, name, line.slice(colon + 1))
    } else if (OF_RECIPIENT.has(name) || group !== null) {
      if (group === null || startsGroup(group, name, blank)) {
        if (groups.length > MAX_GROUPS) return
        group = new Map()
        groups.push(group)
      }
      last = set(group, name, line.slice(colon + 1))
    } else last = set(mail, name, line.slice(colon + 1))
    blank = false
  }
}

/** A word and a colon inside a broken reply is not a field. */
function isFieldName(name: string): boolean {
  return (
    OF_RECIPIENT.has(name) ||
    OF_MAIL.has(name) ||
    (name.startsWith('x-') && name.length > 3) ||
    /^(?:smtp-remote|localized|original|arrival|received)-[a-z-]+$/.test(name)
  )
}

/** A repeated field, or a recipient behind a blank line, begins the next group. */
function startsGroup(group: Fields, name: string, blank: boolean): boolean {
  if (!OF_RECIPIENT.has(name)) return false
  if (name === 'final-recipient' || name === 'original-recipient')
    return group.has(name) || (blank && (group.has('final-recipient') || group.has('action')) && group.size > 1)
  return blank && group.has(name)
}

function set(into: Fields, name: string, value: string): { into: Fields; name: string } {
  if (!into.has(name)) {
    into.set(name, value.trim().slice(0, MAX_FIELD))
    return { into, name }
  }
  if (name === 'diagnostic-code') append(into, name, value)
  return { into, name: `${name} again` }
}

function append(into: Fields, name: string, line: string): void {
  const before = into.get(name)
  if (before !== undefined && before.length < MAX_FIELD) into.set(name, `${before}\n${line.trim()}`)
}

function isGroup(group: Fields): boolean {
  return (
    group.has('final-recipient') ||
    group.has('original-recipient') ||
    group.has('action') ||
    (group.has('status') && group.has('diagnostic-code')) ||
    group.has('x-actual-recipient')
  )
}

function toGroup(group: Fields): StatusGroup {
  const final = recipientOf(group.get('final-recipient'))
  const actual = recipientOf(group.get('x-actual-recipient'))
  const original = recipientOf(group.get('original-recipient'))
  const coded = splitDiagnostic(group.get('diagnostic-code') ?? '')
  return {
    final: pickFinal(final, actual, original),
    original:
      original ?? (actual !== null && final !== null && final.includes('@') && actual.includes('@') && actual !== final ? final : null),
    action: actionOf(group.get('action')),
    status: statusOf(group.get('status')),
    diagnostic: coded.text,
    diagnosticType: coded.type,
    remoteMta: hostOf(group.get('remote-mta')),
    lastAttemptAt: dateOf(group.get('last-attempt-date')),
    willRetryUntil: dateOf(group.get('will-retry-until')),
  }
}

/** A local name, an inner host or a X.400 address in Final-Recipient names nobody whom we could have sent to. */
function pickFinal(final: string | null, actual: string | null, original: string | null): string | null {
  if (final !== null && isOutside(final)) return final
  if (original !== null && isOutside(original)) return original
  if (final?.includes('@')) return final
  if (actual?.includes('@')) return actual
  return original?.includes('@') ? original : (final ?? actual ?? original)
}

function isOutside(address: string): boolean {
  const at = address.lastIndexOf('@')
  return at > 0 && /[.[]/.test(address.slice(at))
}

function recipientOf(value: string | undefined): string | null {
  if (value === undefined) return null
  const typed = splitTyped(value.replaceAll('\n', ' '))
  const plain = /\+[0-9A-Fa-f]{2}/.test(typed.value) || typed.type === 'utf-8' ? decodeXtext(typed.value) : typed.value
  const bare = bareAddress(plain)
  if (bare !== null) return bare
  const word = plain.replace(/[<>"]/g, '').trim()
  return word === '' || /\s/.test(word) || word.length > 320 ? null : word
}

const ACTIONS: readonly (readonly [string, Action])[] = [
  ['fail', 'failed'],
  ['expired', 'failed'],
  ['undeliver', 'failed'],
  ['bounce', 'failed'],
  ['reject', 'failed'],
  ['error', 'failed'],
  ['delay', 'delayed'],
  ['defer', 'delayed'],
  ['relay', 'relayed'],
  ['expand', 'expanded'],
  ['deliver', 'delivered'],
]

function actionOf(value: string | undefined): Action | null {
  const word = (value ?? '').trim().toLowerCase()
  return ACTIONS.find(([begin]) => word.startsWith(begin))?.[1] ?? null
}

const STATUS = /(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)/

function statusOf(value: string | undefined): string | null {
  const found = STATUS.exec((value ?? '').slice(0, 200))
  return found === null ? null : `${found[1]}.${Number(found[2])}.${Number(found[3])}`
}

/** `smtp; 550 5.1.1 …`: the type is a word before the first semicolon, and missing in many reports. */
function splitDiagnostic(value: string): { type: string; text: string } {
  const typed = /^\s*([A-Za-z][A-Za-z0-9 -]{0,24})\s*;\s*/.exec(value)
  if (typed === null) return { type: '', text: value.trim() }
  return { type: (typed[1] ?? '').toLowerCase(), text: value.slice(typed[0].length).trim() }
}

function hostOf(value: string | undefined): string | null {
  if (value === undefined) return null
  const host = splitTyped(value).value.trim().split(/[\s(]/, 1)[0] ?? ''
  const bare = host.replace(/\.$/, '').toLowerCase()
  return bare === '' || bare.length > 255 ? null : bare
}

function dateOf(value: string | undefined): number | null {
  return value === undefined ? null : parseDate(value)
}

function envelopeOf(value: string | undefined): string | null {
  const word = (value ?? '').trim()
  return word === '' ? null : decodeXtext(word)
}
