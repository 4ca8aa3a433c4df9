/**
 * reply-text - fills in the text of a simulated provider's answer
 *
 * Pure. See also: simulator/provider-file (`answer`), simulator/provider-model.
 */
import type { ProviderFile } from './provider-file.ts'

/** What the placeholders of a text stand for. */
type ReplyValues = {
  readonly recipient: string
  readonly domain: string
  readonly senderDomain: string
  readonly ip: string
  readonly id: string
}

/** The text of an answer, code first. The text of an NDR is made the same way. */
export function replyTextOf(file: ProviderFile, values: ReplyValues, answer: string): string {
  const text = file.answer[answer]?.text ?? '451 4.3.0 Temporary failure'
  if (!text.includes('{')) return text
  return text
    .replaceAll('{recipient}', values.recipient)
    .replaceAll('{domain}', values.domain)
    .replaceAll('{sender}', values.senderDomain)
    .replaceAll('{ip}', values.ip)
    .replaceAll('{id}', values.id)
}
