/**
 * dsn - reads delivery-status fields, one group for each recipient
 *
 * Accepts malformed input: groups without a blank line between them, blank lines inside a group, replies whose lines are not folded,
 * a group without an address. Does not guess: an absent value is null.
 *
 * Pure, total, at most 1,000 groups. RFC 3464, RFC 6533 (internationalised), RFC 3461 (xtext). See also: mail/dsn/recipients.
 */
import { parseBareAddress, decodeXtext, splitTypedValue } from '../mime/address.ts'
import { parseDate } from '../mime/date.ts'
import type { DsnAction } from '../report.ts'

export type DsnRecipient = {
  readonly finalRecipient: string | null
  readonly originalRecipient: string | null
  readonly action: DsnAction | null
  readonly status: string | null
  /** Diagnostic-Code without its type, with line breaks. */
  readonly diagnosticText: string
  readonly diagnosticType: string
  readonly remoteMta: string | null
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
}

export type DeliveryStatusFields = {
  readonly reportingMta: string | null
  readonly envelopeId: string | null
  readonly recipients: readonly DsnRecipient[]
}

export const MAX_DSN_RECIPIENTS = 1_000
const MAX_FIELD_LENGTH = 8_192
const MAX_LINES = 40_000

/** Per-recipient fields of RFC 3464; the other fields are about the message. */
const PER_RECIPIENT_FIELDS: ReadonlySet<string> = new Set([
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
const PER_MESSAGE_FIELDS: ReadonlySet<string> = new Set([
  'reporting-mta',
  'original-envelope-id',
  'arrival-date',
  'dsn-gateway',
  'received-from-mta',
  'x-postfix-queue-id',
  'x-postfix-sender',
])

type FieldMap = Map<string, string>

/** Reads all texts that contain delivery-status fields. Total. */
export function parseDeliveryStatus(texts: readonly string[]): DeliveryStatusFields {
  const messageFields: FieldMap = new Map()
  const groups: FieldMap[] = []
  for (const text of texts) readStatusText(text, messageFields, groups)
  return {
    reportingMta: parseHost(messageFields.get('reporting-mta')),
    envelopeId: parseEnvelopeId(messageFields.get('original-envelope-id')),
    recipients: groups.filter(isRecipientGroup).slice(0, MAX_DSN_RECIPIENTS).map(toDsnRecipient),
  }
}

const FIELD_NAME = /^[A-Za-z][A-Za-z0-9-]{2,60}[ \t]{0,4}$/

function readStatusText(text: string, messageFields: FieldMap, groups: FieldMap[]): void {
  let group: FieldMap | null = null
  let isAfterBlankLine = true
  let lastField: { into: FieldMap; name: string } | null = null
  for (const rawLine of text.split('\n', MAX_LINES)) {
    const line = rawLine.trimEnd()
    if (line === '') {
      isAfterBlankLine = true
      continue
    }
    const colon = line.slice(0, 66).indexOf(':')
    const writtenName = colon < 3 ? '' : line.slice(0, colon)
    const name = FIELD_NAME.test(writtenName) ? writtenName.trimEnd().toLowerCase() : ''
    if (!isFieldName(name)) {
      if (lastField !== null && !isAfterBlankLine) appendToField(lastField.into, lastField.name, line)
      continue
    }
    if (PER_MESSAGE_FIELDS.has(name)) {
      if (isAfterBlankLine) group = null
      lastField = setField(messageFields, name, line.slice(colon + 1))
    } else if (PER_RECIPIENT_FIELDS.has(name) || group !== null) {
      if (group === null || startsGroup(group, name, isAfterBlankLine)) {
        if (groups.length > MAX_DSN_RECIPIENTS) return
        group = new Map()
        groups.push(group)
      }
      lastField = setField(group, name, line.slice(colon + 1))
    } else lastField = setField(messageFields, name, line.slice(colon + 1))
    isAfterBlankLine = false
  }
}

/** Whether a name is a field of a report. A word and a colon inside a broken reply are not a field. */
function isFieldName(name: string): boolean {
  return (
    PER_RECIPIENT_FIELDS.has(name) ||
    PER_MESSAGE_FIELDS.has(name) ||
    (name.startsWith('x-') && name.length > 3) ||
    /^(?:smtp-remote|localized|original|arrival|received)-[a-z-]+$/.test(name)
  )
}

/** Whether a field begins the next group: it repeats, or it names a recipient after a blank line. */
function startsGroup(group: FieldMap, name: string, isAfterBlankLine: boolean): boolean {
  if (!PER_RECIPIENT_FIELDS.has(name)) return false
  if (name === 'final-recipient' || name === 'original-recipient')
    return group.has(name) || (isAfterBlankLine && (group.has('final-recipient') || group.has('action')) && group.size > 1)
  return isAfterBlankLine && group.has(name)
}

function setField(target: FieldMap, name: string, value: string): { into: FieldMap; name: string } {
  if (!target.has(name)) {
    target.set(name, value.trim().slice(0, MAX_FIELD_LENGTH))
    return { into: target, name }
  }
  if (name === 'diagnostic-code') appendToField(target, name, value)
  return { into: target, name: `${name} again` }
}

function appendToField(target: FieldMap, name: string, line: string): void {
  const before = target.get(name)
  if (before !== undefined && before.length < MAX_FIELD_LENGTH) target.set(name, `${before}\n${line.trim()}`)
}

function isRecipientGroup(group: FieldMap): boolean {
  return (
    group.has('final-recipient') ||
    group.has('original-recipient') ||
    group.has('action') ||
    (group.has('status') && group.has('diagnostic-code')) ||
    group.has('x-actual-recipient')
  )
}

function toDsnRecipient(group: FieldMap): DsnRecipient {
  const final = parseRecipient(group.get('final-recipient'))
  const actual = parseRecipient(group.get('x-actual-recipient'))
  const original = parseRecipient(group.get('original-recipient'))
  const diagnostic = splitDiagnostic(group.get('diagnostic-code') ?? '')
  return {
    finalRecipient: selectFinalRecipient(final, actual, original),
    originalRecipient:
      original ?? (actual !== null && final !== null && final.includes('@') && actual.includes('@') && actual !== final ? final : null),
    action: parseAction(group.get('action')),
    status: parseStatus(group.get('status')),
    diagnosticText: diagnostic.text,
    diagnosticType: diagnostic.type,
    remoteMta: parseHost(group.get('remote-mta')),
    lastAttemptAt: parseOptionalDate(group.get('last-attempt-date')),
    willRetryUntil: parseOptionalDate(group.get('will-retry-until')),
  }
}

/**
 * Prefers an address with a domain. A local name, an internal host or an X.400 address in Final-Recipient cannot be one that we sent to.
 */
function selectFinalRecipient(final: string | null, actual: string | null, original: string | null): string | null {
  if (final !== null && isRoutableAddress(final)) return final
  if (original !== null && isRoutableAddress(original)) return original
  if (final?.includes('@')) return final
  if (actual?.includes('@')) return actual
  return original?.includes('@') ? original : (final ?? actual ?? original)
}

function isRoutableAddress(address: string): boolean {
  const at = address.lastIndexOf('@')
  return at > 0 && /[.[]/.test(address.slice(at))
}

function parseRecipient(value: string | undefined): string | null {
  if (value === undefined) return null
  const typed = splitTypedValue(value.replaceAll('\n', ' '))
  const plain = /\+[0-9A-Fa-f]{2}/.test(typed.value) || typed.type === 'utf-8' ? decodeXtext(typed.value) : typed.value
  const bare = parseBareAddress(plain)
  if (bare !== null) return bare
  const trimmed = plain.replace(/[<>"]/g, '').trim()
  return trimmed === '' || /\s/.test(trimmed) || trimmed.length > 320 ? null : trimmed
}

const ACTIONS: readonly (readonly [string, DsnAction])[] = [
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

function parseAction(value: string | undefined): DsnAction | null {
  const trimmed = (value ?? '').trim().toLowerCase()
  return ACTIONS.find(([begin]) => trimmed.startsWith(begin))?.[1] ?? null
}

const STATUS = /(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)/

function parseStatus(value: string | undefined): string | null {
  const found = STATUS.exec((value ?? '').slice(0, 200))
  return found === null ? null : `${found[1]}.${Number(found[2])}.${Number(found[3])}`
}

/** `smtp; 550 5.1.1 …`: the type is the word before the first semicolon. Many reports omit it. */
function splitDiagnostic(value: string): { type: string; text: string } {
  const typed = /^\s*([A-Za-z][A-Za-z0-9 -]{0,24})\s*;\s*/.exec(value)
  if (typed === null) return { type: '', text: value.trim() }
  return { type: (typed[1] ?? '').toLowerCase(), text: value.slice(typed[0].length).trim() }
}

function parseHost(value: string | undefined): string | null {
  if (value === undefined) return null
  const host = splitTypedValue(value).value.trim().split(/[\s(]/, 1)[0] ?? ''
  const bare = host.replace(/\.$/, '').toLowerCase()
  return bare === '' || bare.length > 255 ? null : bare
}

function parseOptionalDate(value: string | undefined): number | null {
  return value === undefined ? null : parseDate(value)
}

function parseEnvelopeId(value: string | undefined): string | null {
  const trimmed = (value ?? '').trim()
  return trimmed === '' ? null : decodeXtext(trimmed)
}
