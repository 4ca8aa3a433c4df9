/**
 * unlabelled-recipient - the recipient of a report that no label, section or layout names
 *
 * Used after every better source: the only address in the text that is not a contact, and local names under a title such as "could not be
 * delivered to the following recipients:".
 *
 * Pure, total, linear. See also: mail/freeform/reader, mail/dsn/recipients (order of sources).
 */
import { extractAddresses } from '../mime/address.ts'
import { CONTACT_LINE, FAILURE_PHRASE, NON_RECIPIENT_LABEL } from './phrases.ts'
import { isSectionTitle } from './format-index.ts'
import type { TextLine } from './split-quoted.ts'

const ROLE_MAILBOXES: ReadonlySet<string> = new Set([
  'postmaster',
  'mailer-daemon',
  'mailerdaemon',
  'abuse',
  'support',
  'helpdesk',
  'noreply',
  'no-reply',
  'admin',
  'hostmaster',
  'webmaster',
  'help',
  'double-bounce',
  'servicedesk',
  'service-desk',
  'helpdesk-it',
  'it-support',
  'itsupport',
  'contact',
])

/** Text before an @ that is not part of a mailbox. */
const NON_MAILBOX_PREFIX = /https?:\S*$|\b(?:references|in-reply-to|message-?id|queue|log)\b[^@]*$/i

/** The only address in the lines that is not an own, role or labelled address; null if there are none or several. */
export function findOnlyAddress(lines: readonly TextLine[], isOwnAddress: (address: string) => boolean): string | null {
  let onlyAddress: string | null = null
  for (const [at, line] of lines.entries()) {
    if (!line.text.includes('@') || CONTACT_LINE.test(`${findOpenSentence(lines, at)} ${line.text}`)) continue
    for (const hit of extractAddresses(line.text, 10)) {
      const address = hit.address.toLowerCase()
      const label = line.text.slice(Math.max(0, hit.index - 60), hit.index)
      if (isOwnAddress(address) || isRoleAddress(address) || NON_RECIPIENT_LABEL.test(label) || NON_MAILBOX_PREFIX.test(label)) continue
      if (onlyAddress !== null && onlyAddress.toLowerCase() !== address) return null
      onlyAddress = hit.address
    }
  }
  return onlyAddress
}

/** Whether an address is a role mailbox (RFC 2142), which a report names as a contact. */
export function isRoleAddress(address: string): boolean {
  return ROLE_MAILBOXES.has(address.slice(0, address.lastIndexOf('@')))
}

/** Length of a line that is searched for the beginning of a sentence. */
const MAX_SENTENCE_LINE = 300

/** The end of the lines above a line that belong to the same sentence, at most three; empty if a new sentence begins. Total. */
export function findOpenSentence(lines: readonly TextLine[], at: number): string {
  let sentence = ''
  for (let above = at - 1; above >= Math.max(0, at - 3); above--) {
    const text = (lines[above]?.text ?? '').trim()
    if (text === '' || /[.!?:;。：]["')]?$/.test(text)) break
    sentence = `${text.slice(-MAX_SENTENCE_LINE)} ${sentence}`
  }
  return sentence.trim()
}

/** A title above a list of recipients. */
const LIST_TITLE = /\b(?:recipients?|address(?:es)?|users?)\b[^:]{0,200}[:：]\s*$/i
/** A local part alone in its line. */
const LOCAL_NAME = /^\s*<?([a-z0-9][a-z0-9._+-]{1,63})>?\s*$/i
const MAX_LOCAL_NAMES = 100

/** The explanation that Sendmail writes below a name. */
const EXPLANATION = /^\s+\((?:reason|expanded from|generated from)\b/i

/**
 * Local names listed under a title about failed recipients. Some servers omit their own domain there. Total.
 *
 *     'Your mail to the following recipients could not be delivered:\n\tann' → ['ann']
 */
export function findLocalNames(lines: readonly TextLine[]): readonly string[] {
  for (const [at, line] of lines.entries()) {
    const names = isListTitle(lines, at, line) ? readNamesBelow(lines, at + 1) : []
    if (names.length > 0) return names
  }
  return []
}

function isListTitle(lines: readonly TextLine[], at: number, line: TextLine): boolean {
  if (line.markers.some((marker) => marker.role === 'recipientsBelow' && isSectionTitle(line.text, marker))) return true
  if (!/[:：]$/.test(line.text.slice(-1))) return false
  const title = `${findOpenSentence(lines, at)} ${line.text.slice(-MAX_SENTENCE_LINE)}`
  return LIST_TITLE.test(title) && FAILURE_PHRASE.test(title)
}

/** The names up to a blank line; none if another line is among them. */
function readNamesBelow(lines: readonly TextLine[], from: number): readonly string[] {
  const names: string[] = []
  for (const { text } of lines.slice(from, from + MAX_LOCAL_NAMES)) {
    const name = LOCAL_NAME.exec(text)?.[1]
    if (name !== undefined) names.push(name)
    else if (text === '' && names.length > 0) return names
    else if (text !== '' && !(names.length > 0 && EXPLANATION.test(text))) return []
  }
  return names
}
