/**
 * dsn-recipient - reads the values of one group of delivery-status fields
 *
 * Does not guess: an absent value is null.
 *
 * Pure, total. RFC 3464, RFC 6533 (internationalised), RFC 3461 (xtext). See also: mail/dsn/dsn (finds the groups).
 */
import { decodeX400Addresses, parseBareAddress, decodeXtext, splitTypedValue } from '../mime/address.ts'
import { parseDate } from '../mime/date.ts'
import type { DsnAction } from '../report.ts'

export type DsnRecipient = {
  readonly finalRecipient: string | null
  /** Final-Recipient if it is a local name of the reporter, such as `ann` or `ann@host`; empty otherwise. */
  readonly finalName: string
  readonly originalRecipient: string | null
  readonly action: DsnAction | null
  readonly status: string | null
  /** What the reporter wrote after the code in Status; empty if nothing. */
  readonly statusComment: string
  /** Diagnostic-Code without its type, with line breaks. */
  readonly diagnosticText: string
  readonly diagnosticType: string
  readonly remoteMta: string | null
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
}

/** Reads one group of fields (names lower case). Total. */
export function toDsnRecipient(group: ReadonlyMap<string, string>): DsnRecipient {
  const final = parseRecipient(group.get('final-recipient'))
  const actual = parseRecipient(group.get('x-actual-recipient'))
  const original = parseRecipient(group.get('original-recipient'))
  const diagnostic = selectDiagnostic(group)
  return {
    finalRecipient: selectFinalRecipient(final, actual, original),
    finalName: final === null || isRoutableAddress(final) ? '' : final,
    originalRecipient:
      original ?? (actual !== null && final !== null && final.includes('@') && actual.includes('@') && actual !== final ? final : null),
    action: parseAction(group.get('action')),
    status: parseStatus(group.get('status')),
    statusComment: (group.get('status') ?? '').replace(/^\s*[245]\.\d{1,3}\.\d{1,3}/, '').trim(),
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
  const typed = splitTypedValue(decodeX400Addresses(value.replaceAll('\n', ' ')))
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

/**
 * Diagnostic-Code, or X-Supplementary-Info where Diagnostic-Code is absent: `<host #5.0.0 smtp; 550 "Unknown user">`, as IronPort writes it.
 * Its status is the made-up one of the Status field, so that only the reply is kept.
 */
function selectDiagnostic(group: ReadonlyMap<string, string>): { type: string; text: string } {
  const diagnostic = splitDiagnostic(group.get('diagnostic-code') ?? '')
  if (diagnostic.text !== '') return diagnostic
  const supplementary = (group.get('x-supplementary-info') ?? '').replace(
    /^\s*<[^\s<>#]{0,255}\s*#?(?:[245]\.\d{1,3}\.\d{1,3})?\s{1,3}(?=[a-z]{2,10}\s?;)/i,
    '',
  )
  return splitDiagnostic(supplementary.replace(/>\s*$/, ''))
}

/** `smtp; 550 5.1.1 …`: the type is the word before the first semicolon. Many reports omit it. */
function splitDiagnostic(value: string): { type: string; text: string } {
  const typed = /^\s*([A-Za-z][A-Za-z0-9 -]{0,24})\s*;\s*/.exec(value)
  if (typed === null) return { type: '', text: value.trim() }
  return { type: (typed[1] ?? '').toLowerCase(), text: value.slice(typed[0].length).trim() }
}

/** The host of a `dns; host` field, lower case; null without one. Total. */
export function parseHost(value: string | undefined): string | null {
  if (value === undefined) return null
  const host = splitTypedValue(value).value.trim().split(/[\s(]/, 1)[0] ?? ''
  const bare = host.replace(/\.$/, '').toLowerCase()
  return bare === '' || bare.length > 255 ? null : bare
}

function parseOptionalDate(value: string | undefined): number | null {
  return value === undefined ? null : parseDate(value)
}
