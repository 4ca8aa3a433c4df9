/**
 * follow-lines - records lines of a log in the daemon or in this process
 *
 * See also: commands/reading/follow, service/follow/read-lines.
 */
import { z } from 'zod'
import { createLogStore } from '../../import/log-followers.ts'
import { defineStoreCommand, type CommandOutput } from '../../daemon/store-command.ts'
import type { LogStore } from '../../import/follow-log.ts'
import { LOG_FORMATS, type LogFormat } from '../../mta-log/log-formats.ts'
import type { LogReadResult } from '../../service/follow/read-lines.ts'
import type { FollowedLog } from '../../store/mail/followed-logs.ts'
import type { RunStoreCommand } from '../command-runner.ts'
import { runForJson } from './json-result.ts'

// Checked cast: the same names, as the tuple that zod needs.
const formatSchema = z.enum(LOG_FORMATS as [LogFormat, ...LogFormat[]])
const positionSchema = z.object({ offset: z.int().min(0), head: z.string().max(64), headBytes: z.int().min(0) })

const textSchema = z.object({
  format: formatSchema,
  lines: z.array(z.string()),
  host: z.string().max(255),
  zone: z.string().max(64),
  relays: z.array(z.string()),
  columns: z.array(z.string()),
  log: z.object({ source: z.string(), position: positionSchema, revision: z.int().min(0), hosts: z.array(z.string()) }).nullable(),
  notify: z.boolean(),
})

const printJson = (output: CommandOutput, value: unknown): Promise<void> => output.write(Buffer.from(JSON.stringify(value)))

const findLog = defineStoreCommand('follow position', z.object({ source: z.string() }), async ({ context }, { source }, output) =>
  printJson(output, await createLogStore(context).find(source)),
)

const readLinesCommand = defineStoreCommand('follow lines', textSchema, async ({ context }, text, output) =>
  printJson(output, await createLogStore(context).read(text)),
)

export const FOLLOW_COMMANDS = [findLog, readLinesCommand] as const

/** A log store behind a command runner. */
export function createRemoteLogStore(run: RunStoreCommand): LogStore {
  return {
    // Checked casts: the commands above printed these.
    find: async (source) => (await runForJson(run, findLog, { source })) as FollowedLog | null,
    read: async (text) =>
      (await runForJson(run, readLinesCommand, {
        ...text,
        lines: [...text.lines],
        relays: [...text.relays],
        columns: [...text.columns],
        log: text.log === null ? null : { ...text.log, hosts: [...text.log.hosts] },
      })) as LogReadResult,
  }
}
