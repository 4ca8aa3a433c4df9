/**
 * envelope - the MAIL and RCPT commands of one message, with the parameters that the server knows
 *
 * Domains go out as A-labels. A local part that is not ASCII needs a server with SMTPUTF8; without it the message is refused here, with the reply that
 * such a server should give. A DSN request asks for failures and delays, never for successes: the report then names our delivery and the address that we
 * sent to.
 *
 * Pure. RFC 5321 §4.1.1, RFC 1870 (SIZE), RFC 3461 (DSN), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8). See also: smtp-client/mail-transaction.
 */
import { Buffer, isAscii } from 'node:buffer'
import { toALabels } from '../mail/mime/idna.ts'
import type { OutgoingMail } from './transport.ts'

/** The keywords of an EHLO reply in upper case, each with its parameters. */
export type SmtpExtensions = ReadonlyMap<string, string>

export const NO_EXTENSIONS: SmtpExtensions = new Map()

/**
 * Reads the keywords of an EHLO reply. Total.
 *
 *     parseExtensions('250-mx.example\n250-SIZE 52428800\n250 AUTH PLAIN LOGIN')   → SIZE: '52428800', AUTH: 'PLAIN LOGIN'
 */
export function parseExtensions(reply: string): SmtpExtensions {
  const lines = reply.split('\n').slice(1)
  return new Map(
    lines.flatMap((line) => {
      // "AUTH=PLAIN" is the form of before RFC 2554; some servers still send it.
      const [, keyword, parameters = ''] = /^\d{3}[ -]([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/.exec(line.trim()) ?? []
      return keyword === undefined ? [] : [[keyword.toUpperCase(), parameters.trim().toUpperCase()] as const]
    }),
  )
}

/** Commands without line ends; `refusal` is a reply line for a message that cannot be sent to this server. */
type EnvelopeCommands =
  | { readonly kind: 'commands'; readonly mail: string; readonly rcpt: string }
  | { readonly kind: 'refusal'; readonly code: number; readonly text: string }

const REFUSALS = {
  /** RFC 6531 §3.2: an address that is not ASCII goes only to a server that offers SMTPUTF8. */
  smtpUtf8: { code: 550, text: '550 5.6.7 The address is not ASCII, and the host does not take such addresses (SMTPUTF8)' },
  /** It would end the command and begin another. */
  syntax: { code: 553, text: '553 5.1.3 The address has a character that no SMTP command may contain' },
} as const

/** Builds the commands of one message. Total. */
export function envelopeCommands({ mailFrom, to, raw, envelopeId }: OutgoingMail, extensions: SmtpExtensions): EnvelopeCommands {
  const sender = withAsciiDomain(mailFrom)
  const recipient = withAsciiDomain(to)
  if (recipient === '' || !isSafePath(sender) || !isSafePath(recipient)) return { kind: 'refusal', ...REFUSALS.syntax }
  const isInternational = !isAsciiText(sender) || !isAsciiText(recipient)
  if (isInternational && !extensions.has('SMTPUTF8')) return { kind: 'refusal', ...REFUSALS.smtpUtf8 }
  const hasDsn = extensions.has('DSN') && sender !== ''
  const mailParameters = [
    isInternational ? 'SMTPUTF8' : '',
    extensions.has('8BITMIME') && !isAscii(raw) ? 'BODY=8BITMIME' : '',
    extensions.has('SIZE') ? `SIZE=${raw.length}` : '',
    hasDsn ? 'RET=HDRS' : '',
    hasDsn && (envelopeId ?? '') !== '' ? `ENVID=${encodeXtext(envelopeId ?? '')}` : '',
  ]
  const rcptParameters = [
    hasDsn ? 'NOTIFY=FAILURE,DELAY' : '',
    hasDsn && isAsciiText(recipient) ? `ORCPT=rfc822;${encodeXtext(recipient)}` : '',
  ]
  return {
    kind: 'commands',
    mail: joinParameters(`MAIL FROM:<${sender}>`, mailParameters),
    rcpt: joinParameters(`RCPT TO:<${recipient}>`, rcptParameters),
  }
}

const joinParameters = (command: string, parameters: readonly string[]): string =>
  [command, ...parameters.filter((each) => each !== '')].join(' ')

const isSafePath = (path: string): boolean => !/[\u0000-\u001f\u007f<>]/.test(path)

const isAsciiText = (text: string): boolean => isAscii(Buffer.from(text))

/** The domain as DNS has it; the local part stays as it is. */
function withAsciiDomain(address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? address : `${address.slice(0, at)}@${toALabels(address.slice(at + 1))}`
}

/** RFC 3461 §4: printable ASCII but `+` and `=`; every other byte as `+` and two hexadecimal digits. */
const encodeXtext = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f && byte !== 0x2b && byte !== 0x3d
        ? String.fromCharCode(byte)
        : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
