/**
 * fair-runner - runs one job at a time, and accounts in turn
 *
 * For a thread or a lane that accounts share: a job waits for at most one job of each other account. The caller bounds how many jobs wait.
 *
 * See also: queue/schedule/fair-queue, mail-auth/mime-reader, service/deliver/message-builder.
 */
import { createFairQueue } from '../queue/schedule/fair-queue.ts'

type FairRunner = {
  /** Runs a job when it is its turn; settles as the job does. */
  readonly run: <T>(account: number, job: () => Promise<T>) => Promise<T>
  /** Resolves when no job waits or runs. */
  readonly waitUntilIdle: () => Promise<void>
}

/** Creates a runner. */
export function createFairRunner(): FairRunner {
  const waiting = createFairQueue<() => Promise<void>>()
  let running: Promise<void> | null = null
  const runAll = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next()
    running = null
  }
  return {
    run: (account, job) =>
      new Promise((resolve, reject) => {
        // A job that throws before it returns a promise must not end the runner.
        waiting.push(account, () => Promise.resolve().then(job).then(resolve, reject))
        // Jobs that are queued at the same time take their turns by account, not by the order of their calls.
        running ??= Promise.resolve().then(runAll)
      }),
    waitUntilIdle: async () => {
      while (running !== null) await running
    },
  }
}
