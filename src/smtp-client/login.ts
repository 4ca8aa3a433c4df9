/**
 * login - SMTP AUTH with the first mechanism that both sides know
 *
 * PLAIN, then LOGIN, then CRAM-MD5; PLAIN where the server names none of them. Who may see the password is the caller's decision.
 *
 * RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5). LOGIN has no RFC: two prompts, whatever they say. See also: smtp-client/handshake.
 */
import { createHmac } from 'node:crypto'
import type { SmtpExtensions } from './envelope.ts'
import type { SmtpWire } from './smtp-wire.ts'

type Credentials = { readonly user: string; readonly pass: string }

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** What a mechanism sends: the command, then one answer to each challenge. */
type Mechanism = { readonly command: string; readonly responses: readonly ((challenge: string) => string)[] }

const MECHANISMS = {
  PLAIN: ({ user, pass }) => ({ command: `AUTH PLAIN ${base64(`\0${user}\0${pass}`)}`, responses: [] }),
  LOGIN: ({ user, pass }) => ({ command: 'AUTH LOGIN', responses: [() => base64(user), () => base64(pass)] }),
  'CRAM-MD5': ({ user, pass }) => ({
    command: 'AUTH CRAM-MD5',
    responses: [(challenge) => base64(`${user} ${createHmac('md5', pass).update(Buffer.from(challenge, 'base64')).digest('hex')}`)],
  }),
} as const satisfies Record<string, (credentials: Credentials) => Mechanism>

/** Logs in. Null: the server has taken the login; else why it has not, in words. Never rejects. */
export async function logIn(wire: SmtpWire, credentials: Credentials, extensions: SmtpExtensions): Promise<string | null> {
  const offered = (extensions.get('AUTH') ?? '').split(/\s+/)
  const createMechanism = Object.entries(MECHANISMS).find(([name]) => offered.includes(name))?.[1] ?? MECHANISMS.PLAIN
  const { command, responses } = createMechanism(credentials)
  wire.send(command)
  for (const response of responses) {
    const challenge = await wire.readReply('command')
    if (challenge?.startsWith('334') !== true) return refusalText(wire, challenge)
    wire.sendResponse(response(challenge.slice(4).trim()))
  }
  const reply = await wire.readReply('command')
  return reply?.startsWith('2') === true ? null : refusalText(wire, reply)
}

const refusalText = (wire: SmtpWire, reply: string | null): string => reply ?? wire.closeReason()?.text ?? 'the connection was closed'
