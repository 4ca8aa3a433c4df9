/**
 * smtpreply - our refusals as a table, and a door that lets them keep their own enhanced status code
 *
 * smtp-server picks the enhanced code from the basic one (550 → 5.1.1), which would call a refused relay an unknown
 * user. A text that begins with a code of its own keeps it. RFC 2034, RFC 3463.
 */
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'

export type Refusal = { readonly code: number; readonly status: string; readonly text: string }

/** Every refusal that we make ourselves. A limit's refusal names the setting that raises it. */
export const REFUSALS = {
  relay: { code: 550, status: '5.7.1', text: 'Relaying denied: this server takes reports for its own domains only' },
  storeBusy: { code: 451, status: '4.3.0', text: 'The store cannot be reached, please try again later' },
  budget: { code: 452, status: '4.3.1', text: 'Too much mail in flight, please try again later (limits.bodyBudget)' },
  peer: { code: 421, status: '4.7.0', text: 'Too much from you at once' },
  stalled: { code: 421, status: '4.4.2', text: 'Your mail stood still while memory was short, please try again' },
  closing: { code: 421, status: '4.3.2', text: 'Closing, please try again' },
  recipients: { code: 452, status: '4.5.3', text: 'Too many recipients (limits.recipientsPerMail)' },
  mails: { code: 421, status: '4.7.0', text: 'Enough mails on this connection, please open another (limits.mailsPerConnection)' },
} as const satisfies Record<string, Refusal>

/** An error in smtp-server's words, with our code, status and text. `why` is added to the text. */
export function refuse(refusal: Refusal, why?: string): Error & { responseCode: number } {
  const text = why === undefined ? refusal.text : `${refusal.text}: ${why}`
  return Object.assign(new Error(`${refusal.status} ${text}`), { responseCode: refusal.code })
}

const OWN_STATUS = /^[245]\.\d{1,3}\.\d{1,3} /

/** Teaches smtp-server, once a process, to leave a text alone that carries its own enhanced status code. */
export function keepOwnStatus(): void {
  const prototype = SMTPConnection.prototype
  if (Object.hasOwn(prototype, 'keepsOwnStatus')) return
  const send = Reflect.get(prototype, 'send')
  Object.defineProperty(prototype, 'keepsOwnStatus', { value: true })
  Object.defineProperty(prototype, 'send', {
    writable: true,
    configurable: true,
    value(this: SMTPConnection, code: number, data: unknown, context: unknown): void {
      const own = typeof data === 'string' && OWN_STATUS.test(data)
      Reflect.apply(send, this, [code, data, own ? false : context])
    },
  })
}
