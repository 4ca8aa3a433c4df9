/**
 * driver-race - recognises one error of the PostgreSQL driver that must not end the process
 *
 * postgres 3.4 defers a write to the next turn of the event loop. If the server closes the connection meanwhile, the driver writes to a
 * socket that it has already dropped, and the error is thrown where no caller can catch it. The close fails the query itself, so nothing
 * is lost: the caller gets Fault store_busy, and the pool reconnects.
 *
 * Pure. See also: store/engine/postgres/driver-race-handler.
 */

/** Whether an uncaught error is the driver writing to a socket that is gone. Total. */
export function isPostgresDriverRace(error: unknown): boolean {
  if (!(error instanceof TypeError) || !/reading 'write'|reading 'destroy'/.test(error.message)) return false
  return /node_modules[\\/]postgres[\\/](?:src|cjs[\\/]src)[\\/]connection\.js/.test(error.stack ?? '')
}
