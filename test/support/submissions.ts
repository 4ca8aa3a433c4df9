/**
 * submissions - submissions of a short mail, with changes
 */
import { ACCOUNT_DEFAULT_TRACKING } from '../../src/compose/x-smtpapi.ts'
import type { Submission } from '../../src/service/submit/submit.ts'

const BODY: Submission['body'] = {
  from: 'news@example.com',
  fromName: 'News',
  replyTo: [],
  to: null,
  cc: [],
  subject: 'Hello',
  html: null,
  plain: 'Hello',
  headers: {},
  attachments: [],
  sections: {},
  raw: null,
  messageId: null,
  emailType: 'trigger',
  tracking: ACCOUNT_DEFAULT_TRACKING,
}

/** A submission to recipients. */
export const submissionTo = (
  recipients: readonly string[],
  { body = {}, ...more }: { readonly body?: Partial<Submission['body']> } & Partial<Omit<Submission, 'body' | 'recipients'>> = {},
): Submission => ({
  body: { ...BODY, ...body },
  originatorDomains: [],
  recipients: recipients.map((recipient) => ({ recipient, variables: {} })),
  label: null,
  userHeaders: {},
  requestId: null,
  ...more,
})
