/**
 * rule-input - what a person who writes rules sends: a reply or a mail that was pasted, a draft, a rule file
 *
 * See also: http/api/rules/explain, http/api/rules/rule-workbench, http/api/rules/rule-files, http/api/rules/reclassifications, config/rule-draft.
 */
import { z } from 'zod'
import { strictObject } from './schemas.ts'

/** A name of a rule file: no path, no hidden file. */
export const ruleFileName = z
  .string()
  .max(80)
  .regex(/^[a-z0-9]+(?:[._-][a-z0-9]+)*\.toml$/, 'must be a lower-case file name that ends in .toml')

/** The shipped files have 10 to 50 KB. */
export const ruleFileText = z.string().min(1).max(500_000)

/** Files of a draft. */
export const draftFilesSchema = z
  .array(strictObject({ file: ruleFileName, text: ruleFileText.nullable().describe('TOML; null removes the file') }))
  .max(100)

/** Larger mails: `bounced explain`. */
const MAX_MAIL_LENGTH = 1_000_000

export const replyFields = {
  reply: z.string().min(1).max(4_096).optional().describe('A reply as a server sends it: 550 5.1.1 No such user'),
  mail: z.string().min(1).max(MAX_MAIL_LENGTH).optional().describe('A whole mail, with its header'),
  mx: z.string().max(253).optional().describe('The host that sent the reply'),
  recipient: z.string().max(1_000).optional().describe('The recipient that the reply is about'),
}
