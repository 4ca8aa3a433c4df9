/**
 * driver-race-handler - keeps the process alive when the PostgreSQL driver writes to a closed socket
 *
 * Only that error is ignored. Any other uncaught error ends the process as before.
 *
 * See also: store/engine/postgres/driver-race (why the error is harmless), store/engine/postgres/postgres.
 */
import { isPostgresDriverRace } from './driver-race.ts'

let installCount = 0

function handleUncaughtException(error: Error): void {
  if (isPostgresDriverRace(error)) return
  // An error thrown here ends the process and prints its stack, as an uncaught error does without a listener.
  throw error
}

/** Installs the handler until the returned function is called. All stores of the process share one listener. */
export function installDriverRaceHandler(): () => void {
  if (installCount++ === 0) process.on('uncaughtException', handleUncaughtException)
  let isUninstalled = false
  return () => {
    if (isUninstalled) return
    isUninstalled = true
    if (--installCount === 0) process.off('uncaughtException', handleUncaughtException)
  }
}
