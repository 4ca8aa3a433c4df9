/**
 * store-command - a command on the store that runs in the daemon or in the process of the command line
 *
 * A command is a name, a schema of its input and a handler. The handler prints through its output only, so that the same handler serves a
 * terminal and a client of the command socket.
 *
 * See also: daemon/command-server (runs commands for clients), commands/store-commands (the table), commands/command-runner.
 */
import type { z } from 'zod'
import { Fault } from '../errors.ts'
import type { Settings } from '../settings/schema.ts'
import type { Runtime } from './bootstrap.ts'

/** The open store and the settings in force where the command runs. */
export type CommandContext = Runtime & { readonly settings: Settings }

/** Every method but `setExitStatus` waits while the reader is slow. */
export type CommandOutput = {
  /** Prints lines of text; control characters are masked where they are shown. */
  readonly printLines: (...lines: readonly string[]) => Promise<void>
  /** Writes bytes unchanged. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** Shows how far the command is, where a person watches. */
  readonly setProgress: (unit: string, done: number, total: number) => void
  /** The exit status of the command; 0 unless set. */
  readonly setExitStatus: (status: number) => void
  /** Aborts when the client goes away or the daemon ends. The reason is a Fault. */
  readonly signal: AbortSignal
}

type Handler<Input> = (context: CommandContext, input: Input, output: CommandOutput) => Promise<void>

/** `execute` checks its input, because it may come through the socket. */
export type StoreCommand<Input = unknown> = {
  readonly name: string
  /** Never set: types the input for callers in this process. */
  readonly inputType?: Input
  /** Checks the input and runs the handler. Faults: bad_request (the input), and those of the handler. */
  readonly execute: (context: CommandContext, input: unknown, output: CommandOutput) => Promise<void>
}

/** Defines a command. `name` has the words that a person types, like `block add`. */
export function defineStoreCommand<Schema extends z.ZodType>(
  name: string,
  schema: Schema,
  run: Handler<z.output<Schema>>,
): StoreCommand<z.input<Schema>> {
  return {
    name,
    execute: async (context, input, output) => {
      const parsed = schema.safeParse(input)
      if (!parsed.success) throw new Fault('bad_request', issuesText(parsed.error))
      await run(context, parsed.data, output)
    },
  }
}

const issuesText = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => `${path.length === 0 ? 'input' : path.join('.')}: ${message}`).join('\n')
