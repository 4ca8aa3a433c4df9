/**
 * smarthost-url - a smart host from its URL, such as smtp://USER:PASSWORD@HOST:587
 *
 * RFC 6409 (submission), RFC 8314 (submissions). See also: daemon/delivery/delivery-setup, daemon/delivery/report-copies.
 */
import type { Smarthost } from '../../smtp-client/routing.ts'
import type { TlsPolicy } from '../../queue/shaping/tls-policy.ts'

const SUBMISSION_PORT = 587
const SUBMISSIONS_PORT = 465

/** `smtps` is TLS from the first byte. Throws if it is no URL, which the settings have checked. */
export function parseSmarthostUrl(text: string, tls: TlsPolicy): Smarthost {
  const url = new URL(text)
  const implicitTls = url.protocol === 'smtps:'
  const port = url.port === '' ? (implicitTls ? SUBMISSIONS_PORT : SUBMISSION_PORT) : Number(url.port)
  const login = url.username === '' ? null : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, login, tls, implicitTls }
}
