/**
 * address-rank - how surely an address in a line of prose is a recipient
 *
 * The text before and after an address decides: a section or label that names recipients, a line of its own, the words "your message to",
 * a RCPT TO command, a sentence about a failure, an SMTP reply. An address inside a reply ranks lowest, because it is often the target of a
 * forwarding rule or the sender.
 *
 * Pure, total, linear. See also: mail/freeform/reader.
 */
import { CONTACT_LINE, DELIVERY_TARGET, FAILURE_PHRASE, NON_RECIPIENT_LABEL, RECIPIENT_LABEL, REPLY_LINE } from './phrases.ts'

/** Confidence of a candidate. `target`: after "your message to"; `command`: in RCPT TO; `reply`: inside an SMTP reply. */
export const RANK = { labelled: 6, alone: 5, target: 4, command: 3, sentence: 2, reply: 1 } as const

export type LineContext = {
  readonly section: string
  readonly isLabelled: boolean
  readonly previousLine: string
  /** The lines above that belong to the same sentence, or empty. */
  readonly openSentence: () => string
  readonly isOwnAddress: (address: string) => boolean
  /** A candidate of rank `alone` or better exists, so lower ranks no longer count. */
  readonly isSettled: boolean
}

const ADDRESS_PREFIX = /^[\s<>"'`(*•·\-–—=|#[\]{,;:.!]*(?:\d{1,3}[.)]\s+)?(?:(?:mailto|smtp|rfc822|local)[:;]\s*)?[<"'[]*$/i
/** Text that may follow an address that stands alone. */
export const ADDRESS_SUFFIX = /^[>"'\])},;.\s:]*(?:<?mailto:[^\s>]*>?)?[>"'\])},;.\s:]*$/

/** The words of Sendmail itself in a transcript: `550 5.1.1 <a@example.com>... User unknown`. */
const SENDMAIL_CODE = /^\s*[45]\d\d (?:[45]\.\d{1,3}\.\d{1,3} )?<?$/
/** A reply code or enhanced status. */
const REPLY_CODE = /(?:^|[\s:"'(<])[245]\d\d[ -]|\b[245]\.\d{1,3}\.\d{1,3}\b/

/** The rank of an address by the text before and after it; 0 if it is not a recipient. Total. */
export function rankAddress(at: { text: string; head: string; tail: string; context: LineContext }): number {
  const { head, tail, context, text } = at
  if (head === '' || head === '<') return rankAtStart(tail, context, text)
  if (/(?:from|sender|message-id):?\s{0,20}<?$/i.test(head.slice(-40))) return 0
  if ((head.includes('//') && /\/\/\S*$/.test(head)) || (/[?&=/]\S*$/.test(head.slice(-40)) && /https?:/i.test(head))) return 0
  if (ADDRESS_PREFIX.test(head)) return rankAtStart(tail, context, text)
  const label = head.slice(-60)
  if (/rcpt to:? ?<?$/i.test(label) || (SENDMAIL_CODE.test(head) && /^>?\.\.\./.test(tail))) return RANK.command
  if (context.isLabelled) return RANK.labelled
  const sentence = `${context.openSentence()} ${head}`.slice(-600)
  if (DELIVERY_TARGET.test(sentence) && !CONTACT_LINE.test(sentence)) return RANK.target
  if (NON_RECIPIENT_LABEL.test(label)) return 0
  if (REPLY_LINE.test(text) && REPLY_CODE.test(head)) return context.isSettled ? 0 : RANK.reply
  if (RECIPIENT_LABEL.test(label)) return RANK.alone
  if (context.isSettled) return 0
  if (REPLY_LINE.test(text)) return FAILURE_PHRASE.test(head) ? RANK.sentence : RANK.reply
  return FAILURE_PHRASE.test(text) && !CONTACT_LINE.test(`${context.openSentence()} ${text}`) ? RANK.sentence : 0
}

function rankAtStart(tail: string, context: LineContext, text: string): number {
  const isRecipientSection = context.section === 'recipientsBelow' || context.section === 'recipientLabel'
  if (!isRecipientSection && CONTACT_LINE.test(context.previousLine)) return 0
  const rest = tail.replace(/^[>"'\])]+/, '')
  if (ADDRESS_SUFFIX.test(tail)) return isRecipientSection ? RANK.labelled : RANK.alone
  if (/^\s+(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|said|さん|写道)/i.test(rest)) return 0
  if (/^\s*(?::|\.\.\.|\[|\(|-|–|=|;|,|\t| on \w{3}, )/.test(rest)) return RANK.alone
  if (isRecipientSection || /[:：]\s*$/.test(context.previousLine)) return RANK.alone
  if (FAILURE_PHRASE.test(text) || REPLY_LINE.test(text)) return RANK.alone
  return DELIVERY_TARGET.test(`${context.openSentence()} `) ? RANK.target : 0
}
