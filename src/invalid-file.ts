/**
 * invalid-file - turns the problems of an operator's file into one Fault
 *
 * Policies, provider files and scenarios are TOML that operators write. A file is read whole, and every problem is reported on a line of its
 * own, so that one run shows all mistakes. Pure. See also: errors.
 */
import type * as z from 'zod'
import { Fault } from './errors.ts'

/** Returns one line for each problem that a schema found: the path of the key, then what is wrong with it. Total. */
export function schemaProblems(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.length === 0 ? '' : `${issue.path.join('.')}: `}${issue.message}`)
}

/** Makes the Fault `config_invalid` with one line for each problem; `file` stands before each. */
export function invalidFile(file: string, problems: readonly string[]): Fault {
  return new Fault('config_invalid', problems.map((line) => `${file}: ${line}`).join('\n'), { detail: { file } })
}
