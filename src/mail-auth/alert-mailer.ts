/**
 * alert-mailer - sends alerts by mail, through a smart host
 *
 * A mail about bounces must not cause any. The null sender keeps bounces away, and the header says that a program wrote the mail, so that no auto-responder
 * replies. An alert keeps its Message-ID when it is sent again.
 *
 * RFC 3834 (Auto-Submitted), RFC 5321 §4.5.5 (null reverse-path). See also: service/alerts/alerts, settings (alerts).
 */
import { connect, type Socket } from 'node:net'
import { createTransport } from 'nodemailer'
import type SMTPTransport from 'nodemailer/lib/smtp-transport'
import type { Telemetry } from '../telemetry.ts'

export type AlertMail = { readonly id: string; readonly to: readonly string[]; readonly subject: string; readonly text: string }

export type AlertMailer = {
  /** Whether the smart host has accepted the mail. Never rejects. */
  readonly send: (mail: AlertMail) => Promise<boolean>
  readonly close: () => void
}

type AlertMailerOptions = {
  /** smtp:// or smtps:// with host, port, and user name and password if the host requires them. */
  readonly smarthostUrl: string
  readonly from: string
  readonly log: Telemetry['log']
  /** The time that one mail may take. */
  readonly limitMs?: number
}

/** A smart host is near; one that does not reply within ten seconds is down. */
const TIMEOUT_MS = 10_000

/** A server that sends single bytes never stays silent for ten seconds. */
const MAIL_LIMIT_MS = 60_000

/** Creates the mailer; it connects when there is an alert to send. */
export function createAlertMailer({ smarthostUrl, from, log, limitMs = MAIL_LIMIT_MS }: AlertMailerOptions): AlertMailer {
  const timeouts = { connectionTimeout: TIMEOUT_MS, greetingTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS }
  const sockets = new Set<Socket>()
  const getSocket = openSocketFor(sockets, limitMs)
  const transport = createTransport({ url: smarthostUrl, ...timeouts, getSocket, disableFileAccess: true, disableUrlAccess: true })
  const domain = from.slice(from.lastIndexOf('@') + 1)
  const headers = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All', Precedence: 'bulk' }
  return {
    send: async ({ id, to, subject, text }) => {
      try {
        const envelope = { from: '', to: [...to] }
        await transport.sendMail({
          from,
          to: [...to],
          subject: toSingleLine(subject),
          text,
          envelope,
          headers,
          messageId: `<alert-${id}@${domain}>`,
        })
        return true
      } catch (error) {
        log.error({ err: error }, 'the smart host did not accept an alert')
        return false
      }
    },
    close: () => {
      transport.close()
      for (const socket of sockets) socket.destroy(new Error('the mailer is closed'))
    },
  }
}

type GetSocket = NonNullable<SMTPTransport.Options['getSocket']>

/** nodemailer limits only silence, so the connection is ours: it ends with the time of its mail. */
function openSocketFor(sockets: Set<Socket>, limitMs: number): GetSocket {
  return ({ host = '127.0.0.1', port, secure = false }, respond) => {
    const socket = connect({ host, port: Number(port ?? (secure ? 465 : 25)) })
    const timer = setTimeout(() => socket.destroy(new Error('the smart host took too long')), limitMs)
    const fail = (error: Error): void => respond(error, {})
    sockets.add(socket)
    socket.once('error', fail)
    socket.once('close', () => {
      clearTimeout(timer)
      sockets.delete(socket)
    })
    socket.once('connect', () => {
      socket.off('error', fail)
      respond(null, { connection: socket })
    })
  }
}

/** The subject can contain a domain from untrusted input. */
const toSingleLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 200)
