/**
 * mailboxes - settings of the IMAP mailboxes whose mails are read as reports
 *
 * One table `[[mailboxes]]` for each in the file of settings, or a JSON array in BOUNCED_MAILBOXES. A secret may be in a file of its own, which is read
 * at each connection, so that another program can renew an OAuth2 token.
 *
 * See also: settings/schema (all settings), mailbox/mailbox-readers, docs/RECEIVING.md.
 */
import { z } from 'zod'
import { isLoopback } from '../net/peer-network.ts'
import { nonEmptyText, positiveInteger, setting } from './setting.ts'

const SECRETS = ['password', 'passwordFile', 'tokenFile'] as const

const mailboxSchema = z
  .strictObject({
    /** In the log, in metrics and in alerts. */
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be 1 to 40 lower-case letters, digits or -'),
    host: nonEmptyText,
    port: z.int().min(1).max(65_535).optional(),
    tls: z.enum(['implicit', 'starttls', 'none']).default('implicit'),
    /** PEM file with the certificates of a private authority. */
    caFile: nonEmptyText.optional(),
    user: nonEmptyText,
    password: nonEmptyText.optional(),
    passwordFile: nonEmptyText.optional(),
    /** A file with an OAuth2 access token. */
    tokenFile: nonEmptyText.optional(),
    folder: nonEmptyText.default('INBOX'),
    /** Where read reports go. Absent: they stay, marked as seen. */
    readFolder: nonEmptyText.optional(),
    /** Where mail goes that is no report. Absent: it is read like a report, and kept in the inbox of bounced. */
    unreadFolder: nonEmptyText.optional(),
    pollSeconds: positiveInteger.max(3_600).default(60),
  })
  .superRefine((mailbox, issues) => {
    const { tls, host, folder, readFolder, unreadFolder } = mailbox
    if (SECRETS.filter((name) => mailbox[name] !== undefined).length !== 1)
      issues.addIssue({ code: 'custom', message: `needs one of ${SECRETS.join(', ')}` })
    if (tls === 'none' && !isLoopback(host))
      issues.addIssue({
        code: 'custom',
        path: ['tls'],
        message: 'may be none on loopback only: the password would be readable on the network',
      })
    if ([readFolder, unreadFolder].includes(folder))
      issues.addIssue({ code: 'custom', path: ['folder'], message: 'must differ from readFolder and unreadFolder' })
  })
  .transform((mailbox) => ({ ...mailbox, port: mailbox.port ?? (mailbox.tls === 'implicit' ? 993 : 143) }))

export const mailboxesSetting = setting(
  z
    .array(mailboxSchema)
    .max(100)
    .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'each mailbox needs a name of its own')
    .default([]),
  'IMAP mailboxes whose mails are read as reports: [[mailboxes]] with name, host, user, a secret and folders; a JSON array in the environment',
  'none: reports come by SMTP, LMTP or a pipe; a mailbox is for bounces that another server receives',
  true,
)
