/**
 * mail-transaction - one message over an open session: MAIL, RCPT, DATA, the message, and the state in which it leaves the session
 *
 * With PIPELINING the three commands go out together. The transaction ends at the first reply that is not the one hoped for; `clearTransaction` reads what is
 * still due and sends RSET. A success that the server reports before it has the whole message is not believed.
 *
 * RFC 5321 §3.3, §4.1.1.5 (RSET), RFC 2920 §3.1 (PIPELINING). See also: smtp-client/envelope, smtp-client/reply-outcome, smtp-client/client-session.
 */
import { setImmediate } from 'node:timers/promises'
import { envelopeCommands, type SmtpExtensions } from './envelope.ts'
import { COMMAND_STEPS, errorOutcome, outcomeOfReplies } from './reply-outcome.ts'
import type { SmtpWire } from './smtp-wire.ts'
import type { OutgoingMail, SmtpOutcome } from './transport.ts'

/** `replies` are those that were read, in the order of the commands. */
type TransactionResult = { readonly outcome: SmtpOutcome; readonly replies: readonly string[] }

type Peer = { readonly mx: string; readonly extensions: SmtpExtensions }

/** Sends one message. Never rejects. */
export async function sendInTransaction(wire: SmtpWire, { mx, extensions }: Peer, mail: OutgoingMail): Promise<TransactionResult> {
  const envelope = envelopeCommands(mail, extensions)
  if (envelope.kind === 'refusal')
    return { outcome: { kind: 'reply', code: envelope.code, text: envelope.text, mx, phase: 'rcpt' }, replies: [] }
  const replies = await exchangeCommands(wire, [envelope.mail, envelope.rcpt, 'DATA'], extensions.has('PIPELINING'))
  const isReady = replies.length === 3 && COMMAND_STEPS[2].expected.test(replies[2] ?? '')
  const isSent = isReady && (await wire.sendMessage(mail.raw))
  const finalReply = isReady ? await wire.readReply('end') : null
  const allReplies = finalReply === null ? replies : [...replies, finalReply]
  // Half a message is on the wire: no command can follow it.
  if (isReady && !isSent) wire.close('the server replied before the whole message was sent')
  return { outcome: readOutcome(wire, { replies: allReplies, isSent, mx }), replies: allReplies }
}

/** The replies up to the first that is not the expected one, or to the end of the connection. */
async function exchangeCommands(wire: SmtpWire, commands: readonly string[], isPipelined: boolean): Promise<readonly string[]> {
  const replies: string[] = []
  if (isPipelined) wire.send(...commands)
  for (const [n, command] of commands.entries()) {
    if (!isPipelined) wire.send(command)
    const reply = await wire.readReply('command')
    if (reply === null) return replies
    replies.push(reply)
    if (COMMAND_STEPS[n]?.expected.test(reply) !== true) return replies
  }
  return replies
}

type TransactionEnd = { readonly replies: readonly string[]; readonly isSent: boolean; readonly mx: string }

function readOutcome(wire: SmtpWire, { replies, isSent, mx }: TransactionEnd): SmtpOutcome {
  const reason = wire.closeReason()
  const text = reason?.text ?? 'the connection was closed'
  const outcome = outcomeOfReplies(replies, text, mx)
  if (outcome.kind === 'error') return reason?.isTimeout === true ? { ...outcome, error: 'timeout' } : outcome
  return outcome.code < 300 && !isSent ? errorOutcome('dropped', text, mx) : outcome
}

/** Makes the session ready for the next message. False: the connection has ended. Never rejects. */
export async function clearTransaction(wire: SmtpWire, replies: readonly string[]): Promise<boolean> {
  // A second reply that came with the last one ends the connection first.
  await setImmediate()
  if (replies.length > 0 && replies.length < COMMAND_STEPS.length) {
    const isDrained = await readDueReplies(wire, COMMAND_STEPS[0].expected.test(replies[0] ?? ''))
    if (isDrained) wire.send('RSET')
    const reply = isDrained ? await wire.readReply('command') : null
    if (reply?.startsWith('2') !== true) wire.close('the server refused RSET')
  }
  return wire.closeReason() === null
}

/**
 * The replies to commands that were pipelined behind a refused one. A server that takes DATA without a recipient gets an empty message, which goes to
 * nobody (RFC 2920 §3.1); one that takes it without a sender is not used again.
 */
async function readDueReplies(wire: SmtpWire, hasSender: boolean): Promise<boolean> {
  for (let verb = wire.nextDue(); verb !== null; verb = wire.nextDue()) {
    const reply = await wire.readReply('command')
    if (reply === null) return false
    if (verb !== 'DATA' || !reply.startsWith('3')) continue
    if (!hasSender) return false
    wire.send('.')
  }
  return true
}
