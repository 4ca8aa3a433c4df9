/**
 * list-refusal - the notice by which mailing list software refuses a message to a list
 *
 * "You are not allowed to post to this mailing list, and your message has been rejected": the message reached no reader of the list, so the
 * notice is a bounce, and its recipient is the list. A message that a moderator holds or rejects is a
 * decision of a person, and not a bounce.
 *
 * Pure, total. RFC 2369 (List-Post). See also: mail/report-parser (order of readers), mail/feedback/auto-reply (held messages).
 */
import { extractAddresses } from '../mime/address.ts'
import type { ParsedMessage, ReportFinding } from '../parsed-message.ts'
import { NO_REPLY, collapseWhitespace } from '../smtp/reply.ts'

/** Mailboxes of list software: Mailman, Sympa, LISTSERV, Majordomo, ezmlm, fml. */
const LIST_MAILBOX =
  /^(?:sympa|listserv|majordomo|mailman|ezmlm|fml|listar|ecartis|schleuder)(?:[-+.][^@]*)?@|-(?:owner|request|bounces?|admin|approval|help|return|editor)@/i
const LIST_MAILBOX_SUFFIX = /-(?:owner|request|bounces?|admin|approval|help|return|editor)(?=@)/i
const REFUSED_POST =
  /\byour (?:message|mail|e-mail|post(?:ing)?)\b[^.]{0,120}\b(?:has been|was|is|been) (?:automatically )?(?:rejected|refused|denied)\b|\bnot (?:allowed|authori[sz]ed|permitted) to (?:post|send (?:this |your )?(?:a )?(?:message|mail|e-mail)s?)\b|\byou are not (?:a )?(?:member|subscriber|subscribed)\b|\b(?:only|restricted to) (?:list )?(?:members|subscribers)\b/i
/** Messages that a person decides about. */
const HELD_POST =
  /\bheld\b|\bawait|\bwaiting\b|\bpending\b|\bfor (?:review|approval|moderation)\b|\bwill be (?:reviewed|moderated)\b|\bby the (?:list )?moderator\b|subscription request|subscribe request/i
const LIST_IN_TEXT = /\b(?:list|ml|group)\b\s*[:(]?\s*<?([^\s<>"']{1,64}@[^\s<>"']{1,255}[A-Za-z])>?/i
const MAX_SEARCHED_TEXT = 2_048

/** Reads the refusal of a list; null for every other message. Total. */
export function readListRefusal(message: ParsedMessage): ReportFinding | null {
  if (message.from === null || !LIST_MAILBOX.test(message.from)) return null
  const text = collapseWhitespace(message.bodyText.slice(0, MAX_SEARCHED_TEXT))
  const searched = `${message.subject.slice(0, 300)}. ${text}`
  if (!REFUSED_POST.test(searched) || HELD_POST.test(searched)) return null
  const recipient = {
    recipient: findListAddress(message, message.from, text),
    originalRecipient: null,
    action: 'failed',
    status: null,
    reply: NO_REPLY,
    replySource: 'none',
    remoteMta: null,
    text,
    lastAttemptAt: null,
    willRetryUntil: null,
  } as const
  return { kind: 'bounce', format: 'list-refusal', recipients: [recipient] }
}

/** The address of the list: in the text, in List-Post, in the returned message, or in the mailbox of its owner. */
function findListAddress({ headers, originalMessage }: ParsedMessage, from: string, text: string): string | null {
  const inText = LIST_IN_TEXT.exec(text)?.[1]
  if (inText !== undefined && !LIST_MAILBOX.test(inText)) return inText
  const inField = extractAddresses(headers['list-post'] ?? '', 1)[0]
  if (inField !== undefined) return inField.address
  const returnedTo = originalMessage?.to ?? []
  if (returnedTo.length === 1) return returnedTo[0] ?? null
  const name = /\blist ['"]([\w.-]{1,64})['"]/i.exec(text)?.[1]
  if (name !== undefined) return `${name}${from.slice(from.lastIndexOf('@'))}`
  return LIST_MAILBOX_SUFFIX.test(from) ? from.replace(LIST_MAILBOX_SUFFIX, '') : null
}
