/**
 * command-runner - runs commands on the store: in the running daemon if there is one, otherwise in this process
 *
 * A daemon that runs on the data folder holds its serve lock; the command then goes through the daemon's socket. If the lock is free, the
 * command opens the store itself. What a command prints, and its exit status, are the same either way.
 *
 * See also: daemon/store-command, daemon/serve-lock, daemon/command-client, commands/with-store.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { createCommandClient, isDaemonListening } from '../daemon/command-client.ts'
import { isServeLockHeld } from '../daemon/serve-lock.ts'
import type { CommandOutput, StoreCommand } from '../daemon/store-command.ts'
import { Fault } from '../errors.ts'
import type { Settings } from '../settings/schema.ts'
import { loadConfigFor } from './command.ts'
import { printLines } from './output.ts'
import { createProgressBar, type ProgressBar } from './progress.ts'
import { withStoreOf } from './with-store.ts'

/** Runs one command with its own output. */
export type RunStoreCommand = <Input>(command: StoreCommand<Input>, input: Input, output: CommandOutput) => Promise<void>

/** Runs one command and shows what it prints. Faults: those of the command, config_invalid, store_busy (the daemon does not answer). */
export async function runStoreCommand<Input>(self: Command, command: StoreCommand<Input>, input: Input): Promise<void> {
  await withCommandRunner(self, (run) => withTerminalOutput((output) => run(command, input, output)))
}

/** Runs `work` with a function that runs commands, all in the same daemon or on the same open store. */
export async function withCommandRunner(self: Command, work: (run: RunStoreCommand) => Promise<void>): Promise<void> {
  const { settings } = loadConfigFor(self)
  if (await waitForDaemon(settings)) {
    const client = createCommandClient(settings.data)
    await work((command, input, output) => client.run(command.name, input, output)).finally(client.close)
    return
  }
  await withStoreOf(settings, (context) => work((command, input, output) => command.execute(context, input, output)))
}

/** Runs one command in the running daemon only. Faults: conflict (no daemon runs on the data folder), those of the command, store_busy. */
export async function runInDaemon<Input>(self: Command, command: StoreCommand<Input>, input: Input): Promise<void> {
  const { settings } = loadConfigFor(self)
  if (!(await waitForDaemon(settings)))
    throw new Fault(
      'conflict',
      `no daemon runs on the data folder ${settings.data}; "bounced ${command.name}" shows what a running daemon does`,
    )
  const client = createCommandClient(settings.data)
  await withTerminalOutput((output) => client.run(command.name, input, output)).finally(client.close)
}

/** A starting daemon opens its socket only after the migrations, which take long on a large store; a stopping one finishes its jobs first. */
const DAEMON_TIMEOUT_MS = 20_000
const POLL_INTERVAL_MS = 50

/** Whether a daemon serves the data folder; waits for one that is starting or stopping. Faults: store_busy. */
async function waitForDaemon({ data }: Settings): Promise<boolean> {
  const deadline = Date.now() + DAEMON_TIMEOUT_MS
  while (isServeLockHeld(data)) {
    if (await isDaemonListening(data)) return true
    if (Date.now() > deadline)
      throw new Fault(
        'store_busy',
        `the daemon on ${data} does not answer on its command socket; it is starting, stopping or hanging: try again`,
      )
    await sleep(POLL_INTERVAL_MS)
  }
  return false
}

/** Runs work with an output to this terminal, and sets the exit status that it asks for. */
export async function withTerminalOutput(work: (output: CommandOutput) => Promise<void>): Promise<void> {
  const bars: Promise<ProgressBar>[] = []
  const output: CommandOutput = {
    printLines: async (...lines) => {
      printLines(...lines)
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
    },
    write: async (bytes) => {
      if (!process.stdout.write(bytes)) await once(process.stdout, 'drain')
    },
    setProgress: (unit, done, total) => {
      if (bars.length === 0) bars.push(createProgressBar(unit))
      for (const bar of bars) void updateBar(bar, done, total)
    },
    setExitStatus: (status) => {
      process.exitCode = status
    },
    // Ctrl-C ends this process, and with it the connection or the store.
    signal: new AbortController().signal,
  }
  try {
    await work(output)
  } finally {
    for (const bar of bars) (await bar).stop()
  }
}

async function updateBar(bar: Promise<ProgressBar>, done: number, total: number): Promise<void> {
  const { update } = await bar
  update(done, total)
}
