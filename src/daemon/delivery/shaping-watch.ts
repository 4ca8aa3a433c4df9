/**
 * shaping-watch - puts a changed file of limits of receiving sites in force
 *
 * If the file does not load, the limits in force stay, and the log names each invalid line once for each change. The delivery loop takes the new limits with its next tick.
 *
 * See also: config/shaping-files, daemon/rule-folder-watch, service/deliver/delivery-loop.
 */
import { shapingFileSignature } from '../../config/shaping-files.ts'
import type { Runtime } from '../bootstrap.ts'
import { lookForChanges } from '../rule-folder-watch.ts'

/** Starts to look. The returned function stops it. */
export function startShapingWatch(
  { context, reloadShaping }: Pick<Runtime, 'context' | 'reloadShaping'>,
  file: string | undefined,
): () => void {
  if (file === undefined) return () => undefined
  const { log } = context.telemetry
  return lookForChanges(
    () => shapingFileSignature(file),
    () => {
      try {
        reloadShaping()
        log.info({ file }, 'changed limits of receiving sites are in force')
      } catch (error) {
        log.error({ err: error, file }, 'the changed limits of receiving sites do not load; those before them stay in force')
      }
    },
  )
}
