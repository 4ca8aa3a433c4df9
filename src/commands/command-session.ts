/**
 * command-session - runs commands on the store for a long time, while daemons come and go
 *
 * Before each command it looks whether a daemon holds the data folder. If one has started since, the store is closed here and the command goes to the
 * daemon; if it has ended, the store is opened here.
 *
 * See also: commands/command-runner (one command or a short series).
 */
import type { Command } from 'commander'
import { isServeLockHeld } from '../daemon/serve-lock.ts'
import { withCommandRunner, type RunStoreCommand } from './command-runner.ts'

type CommandSession = {
  /** Faults: those of the command, store_busy (the daemon ended while it ran). */
  readonly run: RunStoreCommand
  readonly close: () => Promise<void>
}

type OpenRunner = { readonly run: RunStoreCommand; readonly isDaemon: boolean; readonly close: () => Promise<void> }

/** Creates a session. It opens nothing before its first command. */
export function createCommandSession(self: Command, folder: string): CommandSession {
  let current: OpenRunner | null = null
  const close = async (): Promise<void> => {
    const closing = current
    current = null
    await closing?.close()
  }
  return {
    run: async (command, input, output) => {
      const isDaemon = isServeLockHeld(folder)
      if (current !== null && current.isDaemon !== isDaemon) await close()
      current ??= await openRunner(self, isDaemon)
      await current.run(command, input, output)
    },
    close,
  }
}

async function openRunner(self: Command, isDaemon: boolean): Promise<OpenRunner> {
  const opened = Promise.withResolvers<RunStoreCommand>()
  const released = Promise.withResolvers<undefined>()
  const ended = withCommandRunner(self, async (run) => {
    opened.resolve(run)
    await released.promise
  })
  ended.catch(opened.reject)
  const run = await opened.promise
  return {
    run,
    isDaemon,
    close: () => {
      released.resolve(undefined)
      return ended
    },
  }
}
