/**
 * ticker - does what is due at intervals, one run at a time
 *
 * See also: service/receive/pending-verifier, service/report-copies/report-copier.
 */
export type Ticker = {
  /** Does what is due now. Resolves when it is done; while a run is under way, when that ends. Never rejects. */
  readonly tick: () => Promise<void>
  /** Calls `tick` at intervals. The result stops that and waits for the run that is under way. */
  readonly start: () => () => Promise<void>
}

/** `run` ends early once `isStopped` says so. */
type TickerOptions = {
  readonly intervalMs: number
  readonly run: (isStopped: () => boolean) => Promise<void>
  readonly onError: (error: unknown) => void
}

/** Creates a ticker. It does nothing until `tick` or `start` is called. */
export function createTicker({ intervalMs, run, onError }: TickerOptions): Ticker {
  let isStopped = false
  let currentRun: Promise<void> | null = null
  const tick = async (): Promise<void> => {
    currentRun ??= run(() => isStopped)
      .catch(onError)
      .finally(() => {
        currentRun = null
      })
    return currentRun
  }
  const start = (): (() => Promise<void>) => {
    const timer = setInterval(() => void tick(), intervalMs)
    timer.unref()
    return async () => {
      isStopped = true
      clearInterval(timer)
      await currentRun
    }
  }
  return { tick, start }
}
