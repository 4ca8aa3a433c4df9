/**
 * rule-draft-schema - rule files in a request: a draft, or a file to be saved
 *
 * See also: http/api/reclassifications, http/api/rule-files, config/rule-draft.
 */
import { z } from 'zod'
import { strictObject } from './schemas.ts'

/** A name of a rule file: no path, no hidden file. */
const ruleFileName = z
  .string()
  .max(80)
  .regex(/^[a-z0-9]+(?:[._-][a-z0-9]+)*\.toml$/, 'must be a lower-case file name that ends in .toml')

/** The shipped files have 10 to 50 KB. */
const ruleFileText = z.string().min(1).max(500_000)

/** Files of a draft. */
export const draftFilesSchema = z
  .array(strictObject({ file: ruleFileName, text: ruleFileText.nullable().describe('TOML; null removes the file') }))
  .max(100)
