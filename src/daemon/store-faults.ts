/**
 * store-faults - counts the faults of the store and logs them, each kind once a minute
 *
 * A store that is away fails every mail, every tick and every probe. The metric counts all of them; the log says once a minute what is wrong.
 *
 * See also: store/engine/fault-report, docs/RELIABILITY.md.
 */
import type { Fault } from '../errors.ts'
import type { Telemetry } from '../telemetry.ts'

const LOG_INTERVAL_MS = 60_000

/** More kinds than a broken store has. Further ones are logged each time. */
const MAX_KINDS = 1_000

/** Creates the listener. The interval is measured on the monotonic clock. */
export function createStoreFaultListener({ count, log }: Telemetry): (fault: Fault) => void {
  const loggedAt = new Map<string, number>()
  return (fault) => {
    const code = engineCodeOf(fault)
    count('bounced_store_faults_total', { code })
    const now = performance.now()
    const last = loggedAt.get(code)
    if (last !== undefined && now - last < LOG_INTERVAL_MS) return
    if (loggedAt.size < MAX_KINDS) loggedAt.set(code, now)
    log.error({ code, err: fault }, 'the store does not work; mails get 451 and requests 503 until it does')
  }
}

/** SQLSTATE or a code of the driver, SQLite's extended result code, or `other`: a deadline, a lost connection. */
function engineCodeOf({ detail }: Fault): string {
  const code = detail['sqlstate'] ?? detail['sqlite']
  return typeof code === 'string' || typeof code === 'number' ? String(code) : 'other'
}
