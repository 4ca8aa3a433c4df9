/**
 * lmtp - settings of the LMTP listener, by which an MTA on the same machine or network hands over reports
 *
 * See also: settings/schema (all settings), daemon/listeners/smtp-listeners, docs/RECEIVING.md.
 */
import { z } from 'zod'
import { setting } from './setting.ts'

/** Where a listener listens: at a path of the file system, or at a host and a port. */
type ListenTarget = { readonly path: string } | { readonly host: string; readonly port: number }

const TARGET = /^(?:unix:(?<path>\/.+)|(?:\[(?<ipv6>[0-9a-f:.]+)\]|(?<host>[\w.-]+)):(?<port>\d{1,5}))$/i

/** Reads `unix:/run/bounced/lmtp.sock`, `127.0.0.1:2424` or `[::1]:2424`; null: the text is none of them. */
export function parseListenTarget(text: string): ListenTarget | null {
  const { path, ipv6, host = ipv6, port } = TARGET.exec(text)?.groups ?? {}
  if (path !== undefined) return { path }
  return host === undefined || Number(port) > 65_535 ? null : { host, port: Number(port) }
}

export const lmtpSettings = z.strictObject({
  listen: setting(
    z
      .string()
      .refine((text) => parseListenTarget(text) !== null, 'must be unix:/PATH or HOST:PORT')
      .optional(),
    'Where LMTP listens: unix:/run/bounced/lmtp.sock or 127.0.0.1:2424; port 0 picks a free one',
    'none: only your own mail servers need it. Loopback, the Unix socket and smtp.trustedRelays may connect',
  ),
})
