/**
 * json-result - runs a command whose output is one JSON value, and returns that
 *
 * See also: commands/reading/replay-mail, commands/reading/follow-lines.
 */
import type { StoreCommand } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import type { RunStoreCommand } from '../command-runner.ts'

/** Resolves to the value. Faults: internal (the command wrote nothing), and those of the command. */
export async function runForJson<Input>(run: RunStoreCommand, command: StoreCommand<Input>, input: Input): Promise<unknown> {
  const chunks: Uint8Array[] = []
  await run(command, input, {
    printLines: () => Promise.resolve(),
    write: (bytes) => {
      chunks.push(bytes)
      return Promise.resolve()
    },
    setProgress: () => undefined,
    setExitStatus: () => undefined,
    signal: new AbortController().signal,
  })
  if (chunks.length === 0) throw new Fault('internal', `"${command.name}" gave no result`)
  return JSON.parse(Buffer.concat(chunks).toString())
}
