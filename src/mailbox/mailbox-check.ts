/**
 * mailbox-check - checks for an operator that a mailbox of the settings can be read
 *
 * Signs in and opens the folder, and changes nothing. See also: commands/doctor, mailbox/imap-session.
 */
import type { DomainCheck } from '../compose/domain-checks.ts'
import { describeImapError, openImapSession, type MailboxServer } from './imap-session.ts'

/** Nothing is fetched. */
const MAX_BYTES = 65_536

/** Total: a mailbox that cannot be read is a failed check. */
export async function checkMailbox({ name, ...server }: MailboxServer & { readonly name: string }): Promise<DomainCheck> {
  try {
    const session = await openImapSession(server, { maxBytes: MAX_BYTES, isReadOnly: true })
    session.close()
    return { id: 'mailbox', level: 'ok', seen: `${name}: the folder ${server.folder} has ${session.mailCount} mails`, todo: null }
  } catch (error) {
    const todo = `repair the settings of the mailbox ${name} (mailboxes), or its server`
    return { id: 'mailbox', level: 'fail', seen: `${name}: ${describeImapError(error)}`, todo }
  }
}
