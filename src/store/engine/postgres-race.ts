/**
 * postgres-race - one fault of the PostgreSQL driver that must not end the process
 *
 * postgres 3.4 puts a write off to the next turn of the event loop; when the server closes the connection meanwhile, the driver writes
 * to a socket that it has already dropped and throws where nobody can catch. The query itself is failed by the close, so nothing is lost:
 * its caller hears store_busy, and the pool connects anew. This door lets just that error pass; any other ends the process as before.
 *
 * See also: store/engine/postgres.
 */

/** Whether an uncaught error is the driver writing to a socket that is gone. */
export function isPostgresDriverRace(error: unknown): boolean {
  if (!(error instanceof TypeError) || !/reading 'write'|reading 'destroy'/.test(error.message)) return false
  return /node_modules[\\/]postgres[\\/](?:src|cjs[\\/]src)[\\/]connection\.js/.test(error.stack ?? '')
}

let installCount = 0

function handleUncaughtException(error: Error): void {
  if (isPostgresDriverRace(error)) return
  // Thrown from here it ends the process with its stack printed, as an uncaught error does without any listener.
  throw error
}

/** Stands guard until the returned function is called; one listener serves all stores of the process. */
export function installDriverRaceHandler(): () => void {
  if (installCount++ === 0) process.on('uncaughtException', handleUncaughtException)
  let isUninstalled = false
  return () => {
    if (isUninstalled) return
    isUninstalled = true
    if (--installCount === 0) process.off('uncaughtException', handleUncaughtException)
  }
}
