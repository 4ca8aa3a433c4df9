/**
 * last-reply - the SMTP reply that decides, where a text quotes several
 *
 * The last refusal of a remote server comes before the reporter's own words, and a well-formed reply before a code that only follows
 * a colon or begins a line.
 *
 * Pure, total, linear. See also: mail/smtp/reply-search (all replies in a text), mail/smtp/reply.
 */
import { MAX_REPLY_LENGTH, type SmtpReply, isTelephoneNumberAt, parseReply } from './reply.ts'
import { type FoundReply, findReplies } from './reply-search.ts'
import { findSessionRefusal, hasSessionTranscript } from './session-transcript.ts'

/** The last refusal of a remote server, or the last refusal if the text does not say who sent it; null without any. */
function findLastRemoteReply(text: string): FoundReply | null {
  const refusals = findReplies(text).filter((one) => one.reply.code === null || one.reply.code >= 400)
  const coded = refusals.filter((one) => one.reply.code !== null)
  const last = coded.findLast((one) => one.isRemote) ?? coded.at(-1) ?? refusals.at(-1) ?? null
  if (last === null || last.reply.text !== '') return last
  // `Status code: 550 5.1.10`: the full reply stands elsewhere in the text.
  return refusals.findLast(({ reply }) => reply.code === last.reply.code && reply.status === last.reply.status && reply.text !== '') ?? last
}

/** A code at the start of a line or after a colon or sentence: the weakest form of a reply. */
const WEAK_REPLY =
  /(?:^[ \t]*(?:<<<|out:)?[ \t]*|[：:;.!?(（]\s{0,3}|(?:code|status|reply|error)[ \t]{0,2}[:=]?[ \t]{0,2})([45]\d\d)(?=[ :,-]\s?[^\s\d]|[ -]['"]?[45]\.|: ?[45]\.|[)）,，:：]|$)/gim
/** The start of a quoted reply. If a text quotes several attempts, the last one decides. */
const REPLY_INTRODUCTION = /(?:\bsaid|\bsays|\breplied|\bresponded|<<<|\bout):?[ \t]{1,3}[45]\d\d/gi

type AttributedReply = { readonly reply: SmtpReply; readonly host: string | null }

/**
 * The last refusal in a text: of a remote server before the reporter, well-formed before weak forms. In a quoted SMTP
 * session, the first refusal of the recipient or the message decides. `recipient` prefers the reply to its own RCPT command. Null without any.
 * Total.
 */
export function findLastReply(text: string, recipient: string | null = null): AttributedReply | null {
  const refusal = hasSessionTranscript(text) ? findSessionRefusal(text, recipient) : null
  if (refusal !== null) return refusal
  const found = findLastRemoteReply(sliceLastAttempt(text))
  if (found !== null && found.reply.code !== null) return found
  const coded = findLastWeakReply(text)
  if (found === null) return coded
  return coded !== null && coded.reply.status !== null ? coded : found
}

/** The text from the line of the last attempt on, if it quotes several. */
function sliceLastAttempt(text: string): string {
  let count = 0
  let last = 0
  let isInMultilineReply = false
  REPLY_INTRODUCTION.lastIndex = 0
  for (let match = REPLY_INTRODUCTION.exec(text); match !== null; match = REPLY_INTRODUCTION.exec(text)) {
    // Replies to later commands of the session, after the refusal, add nothing.
    if (/5(?:03|00)$/.test(match[0]) && count > 0) continue
    // A later line of a multi-line reply (RFC 5321 §4.2.1).
    const isContinuation: boolean = match[0].startsWith('<<<') && isInMultilineReply
    isInMultilineReply = text.charAt(match.index + match[0].length) === '-'
    if (isContinuation) continue
    count++
    last = match.index
  }
  return count > 1 ? text.slice(text.lastIndexOf('\n', last) + 1) : text
}

function findLastWeakReply(text: string): AttributedReply | null {
  let from = -1
  WEAK_REPLY.lastIndex = 0
  for (let match = WEAK_REPLY.exec(text); match !== null; match = WEAK_REPLY.exec(text)) {
    const at: number = match.index + match[0].length - 3
    if (!isTelephoneNumberAt(text, at)) from = at
  }
  if (from < 0) return null
  const line = text.slice(from, from + MAX_REPLY_LENGTH).split('\n', 1)[0] ?? ''
  return { reply: { ...parseReply(line.replace(':', '')), code: Number(text.slice(from, from + 3)) }, host: null }
}
