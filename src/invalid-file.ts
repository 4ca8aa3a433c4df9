/**
 * invalid-file - reports all problems of an operator's file in one Fault
 *
 * Operators write policies, provider files and scenarios in TOML. A file is checked completely and each problem is reported on its own line,
 * so that one run shows all mistakes.
 *
 * Pure. See also: errors, queue/backoff/policy-file, simulator/provider-file.
 */
import type * as z from 'zod'
import { Fault } from './errors.ts'

/** Returns one line for each problem that a schema found: the path of the key, then what is wrong with it. Total. */
export function schemaProblems(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.length === 0 ? '' : `${issue.path.join('.')}: `}${issue.message}`)
}

/** Creates the Fault config_invalid with one line for each problem. Each line begins with `file`. */
export function invalidFile(file: string, problems: readonly string[]): Fault {
  return new Fault('config_invalid', problems.map((line) => `${file}: ${line}`).join('\n'), { detail: { file } })
}
