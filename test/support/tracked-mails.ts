/**
 * tracked-mails - registered mails of a test daemon with their open and click links, for loads on the links
 *
 * The links are signed with the master key that test daemons have.
 */
import { deriveTokenKey } from '../../src/correlate/token-keys.ts'
import { decodeBase32Number } from '../../src/correlate/base32.ts'
import { mintToken } from '../../src/correlate/token.ts'
import { clickUrl, openUrl } from '../../src/tracking/tracking-link.ts'
import { FEEDBACK_DOMAIN, MASTER_KEY, type Daemon } from './daemon.ts'

export type TrackedMail = {
  readonly recipient: string
  readonly returnPath: string
  readonly openPath: string
  readonly clickPath: string
  readonly unsubscribePath: string
}

export const TARGET = 'https://shop.example/sale?a=1&b=2'

/** The first account. */
const ACCOUNT = 1
const MAX_RECIPIENTS = 500

/** Registers mails, and makes the links that rewriting would make. */
export async function registerTrackedMails(daemon: Daemon, count: number): Promise<readonly TrackedMail[]> {
  const recipients = Array.from({ length: count }, (_, n) => `reader-${n}@example.org`)
  const mails: TrackedMail[] = []
  for (let at = 0; at < count; at += MAX_RECIPIENTS) {
    const message = { from: 'news@example.com', subject: 'Links', recipients: recipients.slice(at, at + MAX_RECIPIENTS) }
    const { status, body } = await daemon.api('POST', '/v1/messages', message)
    const found: unknown = Reflect.get(Object(body), 'recipients')
    if (status !== 201 || !Array.isArray(found)) throw new Error(`mails were not registered: ${status} ${JSON.stringify(body)}`)
    mails.push(...found.map(trackedMailOf))
  }
  return mails
}

function trackedMailOf(row: unknown): TrackedMail {
  const text = (value: unknown, name: string): string => String(Reflect.get(Object(value), name))
  const unsubscribe = /\/u\/([a-z2-7]{30})/.exec(text(Reflect.get(Object(row), 'headers'), 'List-Unsubscribe'))?.[1] ?? ''
  const keyIndex = decodeBase32Number(unsubscribe.slice(0, 1)) ?? 0
  const key = deriveTokenKey(Buffer.from(MASTER_KEY, 'base64'), ACCOUNT, keyIndex)
  const token = mintToken({ key, keyIndex, deliveryId: unsubscribe.slice(1, 14), purpose: 'tracking', domain: FEEDBACK_DOMAIN }) ?? ''
  return {
    recipient: text(row, 'recipient'),
    returnPath: text(row, 'returnPath').replaceAll(/[<>]/g, ''),
    openPath: openUrl({ base: '', token }),
    clickPath: clickUrl({ base: '', token, key, target: TARGET }) ?? '',
    unsubscribePath: `/u/${unsubscribe}`,
  }
}
