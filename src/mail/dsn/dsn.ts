/**
 * dsn - reads delivery-status fields, one group for each recipient
 *
 * Accepts malformed input: groups without a blank line between them, blank lines inside a group, replies whose lines are not folded,
 * a group without an address. Does not guess: an absent value is null.
 *
 * Pure, total, at most 1,000 groups. RFC 3464, RFC 6533 (internationalised), RFC 3461 (xtext). See also: mail/dsn/recipients.
 */
import { decodeXtext } from '../mime/address.ts'
import { readFieldName } from '../mime/field-name.ts'
import { parseHost, toDsnRecipient } from './dsn-recipient.ts'
import type { DsnRecipient } from './dsn-recipient.ts'

export type DeliveryStatusFields = {
  readonly reportingMta: string | null
  readonly envelopeId: string | null
  /** The queue id that the reporting MTA gave the returned mail (Postfix). */
  readonly queueId: string | null
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
  const groups: Group[] = []
  for (const text of texts) readStatusText(text, messageFields, groups)
  return {
    reportingMta: parseHost(messageFields.get('reporting-mta')),
    envelopeId: parseEnvelopeId(messageFields.get('original-envelope-id')),
    queueId: messageFields.get('x-postfix-queue-id')?.trim() ?? null,
    recipients: selectRecipientGroups(groups).map(toDsnRecipient),
  }
}

const FIELD_NAME = /^[A-Za-z][A-Za-z0-9-]{2,60}[ \t]{0,4}$/
/** With white space before the colon. */
const MAX_NAME_LENGTH = 65

/** A group and whether it is in one block with per-message fields. */
type Group = { readonly fields: FieldMap; isInMessageBlock: boolean }

function readStatusText(text: string, messageFields: FieldMap, groups: Group[]): void {
  let group: FieldMap | null = null
  let isMessageBlock = false
  let isAfterBlankLine = true
  let lastField: { into: FieldMap; name: string } | null = null
  for (const rawLine of text.split('\n', MAX_LINES)) {
    const line = rawLine.trimEnd()
    if (line === '') {
      isAfterBlankLine = true
      continue
    }
    const colon = line.indexOf(':')
    const name = colon < 3 || colon > MAX_NAME_LENGTH ? '' : readStatusFieldName(line, colon)
    if (name === '') {
      if (lastField !== null && !isAfterBlankLine) appendToField(lastField.into, lastField.name, line)
      continue
    }
    if (PER_MESSAGE_FIELDS.has(name)) {
      const open = groups.at(-1)
      if (isAfterBlankLine) group = null
      else if (group !== null && open !== undefined) open.isInMessageBlock = true
      isMessageBlock = true
      lastField = setField(messageFields, name, line.slice(colon + 1))
    } else if (PER_RECIPIENT_FIELDS.has(name) || group !== null) {
      if (group === null || startsGroup(group, name, isAfterBlankLine)) {
        if (groups.length > MAX_DSN_RECIPIENTS) return
        if (isAfterBlankLine) isMessageBlock = false
        group = new Map()
        groups.push({ fields: group, isInMessageBlock: isMessageBlock })
      }
      lastField = setField(group, name, line.slice(colon + 1))
    } else lastField = setField(messageFields, name, line.slice(colon + 1))
    isAfterBlankLine = false
  }
}

/** The name before the colon if it is a field of a report, else empty. A word and a colon inside a broken reply are not a field. */
function readStatusFieldName(line: string, colon: number): string {
  const name = readFieldName(line, 0, colon)
  const isKnown = PER_RECIPIENT_FIELDS.has(name) || PER_MESSAGE_FIELDS.has(name)
  if (isKnown && name.length === colon) return name
  const isField =
    isKnown || (name.startsWith('x-') && name.length > 3) || /^(?:smtp-remote|localized|original|arrival|received)-[a-z-]+$/.test(name)
  return isField && FIELD_NAME.test(line.slice(0, colon)) ? name : ''
}

/** Whether a line of text is a field of a report. Total. */
export function isStatusField(line: string): boolean {
  const colon = line.slice(0, 66).indexOf(':')
  const name = colon < 3 ? '' : line.slice(0, colon).trim().toLowerCase()
  return PER_RECIPIENT_FIELDS.has(name) || PER_MESSAGE_FIELDS.has(name)
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

/**
 * The groups about a recipient. Some programs write Action or Remote-MTA among the per-message fields: a group there without an address
 * counts only if no other group names a recipient.
 */
function selectRecipientGroups(groups: readonly Group[]): readonly FieldMap[] {
  const recipientGroups = groups.filter(({ fields }) => isRecipientGroup(fields))
  const hasNamed = recipientGroups.some(({ fields }) => namesRecipient(fields))
  return recipientGroups
    .filter((group) => !hasNamed || !group.isInMessageBlock || namesRecipient(group.fields))
    .slice(0, MAX_DSN_RECIPIENTS)
    .map((group) => group.fields)
}

function namesRecipient(fields: FieldMap): boolean {
  return fields.has('final-recipient') || fields.has('original-recipient') || fields.has('x-actual-recipient')
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

function parseEnvelopeId(value: string | undefined): string | null {
  const trimmed = (value ?? '').trim()
  return trimmed === '' ? null : decodeXtext(trimmed)
}
