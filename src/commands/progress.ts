/**
 * progress - a bar on a terminal, nothing elsewhere
 *
 * On standard error, so that what a command prints can be piped. cli-progress is loaded only for a terminal.
 */
export type ProgressBar = { readonly update: (done: number, total: number) => void; readonly stop: () => void }

/** Makes a bar that counts `what`. */
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
