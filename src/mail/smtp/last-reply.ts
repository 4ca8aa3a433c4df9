/**
 * last-reply - the SMTP reply that decides, where a text quotes several
 *
 * The last refusal of a remote server comes before the reporter's own words, and a well-formed reply before a code that only stands after
 * a colon or at the beginning of a line.
 *
 * Pure, total, linear. See also: mail/smtp/reply-search (all replies of a text), mail/smtp/reply.
 */
import { MAX_REPLY_LENGTH, type SmtpReply, parseReply } from './reply.ts'
import { type FoundReply, findReplies } from './reply-search.ts'

/** The last refusal of a remote server; where no introduction tells who spoke, the last one. Null without any. */
function findLastRemoteReply(text: string): FoundReply | null {
  const refusals = findReplies(text).filter((one) => one.reply.code === null || one.reply.code >= 400)
  const coded = refusals.filter((one) => one.reply.code !== null)
  return coded.findLast((one) => one.isRemote) ?? coded.at(-1) ?? refusals.at(-1) ?? null
}

/** A code behind a line's beginning, a colon or a sentence, whatever stands above it; the weakest shape of a reply. */
const WEAK_REPLY =
  /(?:^[ \t]*(?:<<<|out:)?[ \t]*|[：:;.!?(（]\s{0,3}|(?:code|status|reply|error)[ \t]{0,2}[:=]?[ \t]{0,2})([45]\d\d)(?=[ :,-]\s?[^\s\d]|[ -]['"]?[45]\.|: ?[45]\.|[)）,，:：]|$)/gim
/** Where a server begins to speak; the last one of several attempts is believed. */
const REPLY_INTRODUCTION = /(?:\bsaid|\bsays|\breplied|\bresponded|<<<|\bout):?[ \t]{1,3}[45]\d\d/gi

type AttributedReply = { readonly reply: SmtpReply; readonly host: string | null }

/** The last refusal that a text quotes, of a remote server before the reporter's, in its weakest shape where no better one is found; null without any. Total. */
export function findLastReply(text: string): AttributedReply | null {
  const found = findLastRemoteReply(sliceLastAttempt(text))
  if (found !== null && found.reply.code !== null) return found
  const coded = findLastWeakReply(text)
  if (found === null) return coded
  return coded !== null && coded.reply.status !== null ? coded : found
}

/** From the line of the last attempt on, where a text quotes several. */
function sliceLastAttempt(text: string): string {
  let count = 0
  let last = 0
  let isInMultilineReply = false
  REPLY_INTRODUCTION.lastIndex = 0
  for (let match = REPLY_INTRODUCTION.exec(text); match !== null; match = REPLY_INTRODUCTION.exec(text)) {
    // A session that goes on after its refusal says nothing more about it.
    if (/5(?:03|00)$/.test(match[0]) && count > 0) continue
    // A later line of one multi-line reply (RFC 5321 §4.2.1).
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
  for (let match = WEAK_REPLY.exec(text); match !== null; match = WEAK_REPLY.exec(text)) from = match.index + match[0].length - 3
  if (from < 0) return null
  const line = text.slice(from, from + MAX_REPLY_LENGTH).split('\n', 1)[0] ?? ''
  return { reply: { ...parseReply(line.replace(':', '')), code: Number(text.slice(from, from + 3)) }, host: null }
}
