/**
 * progress - a progress bar on a terminal; elsewhere nothing
 *
 * Writes to standard error, so that the output of a command can be piped. Loads cli-progress only for a terminal.
 */
export type ProgressBar = { readonly update: (done: number, total: number) => void; readonly stop: () => void }

/** Creates a bar that counts in `unit`. */
export async function createProgressBar(unit: string): Promise<ProgressBar> {
  if (process.stderr.isTTY !== true) return { update: () => undefined, stop: () => undefined }
  const { default: progress } = await import('cli-progress')
  const bar = new progress.SingleBar({
    format: `{bar} {value}/{total} ${unit}  {eta_formatted}`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  })
  let isStarted = false
  return {
    update: (done, total) => {
      if (!isStarted) bar.start(total, done)
      else bar.update(done)
      isStarted = true
      bar.setTotal(Math.max(total, done))
    },
    stop: () => bar.stop(),
  }
}
