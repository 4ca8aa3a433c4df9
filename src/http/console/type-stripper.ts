/**
 * type-stripper - TypeScript of the pages as the JavaScript that a browser runs
 *
 * A thread erases the types and ends: Node's compiler for it takes tens of megabytes, which only the end of its thread returns, and seconds on a busy
 * machine, for which reports must not wait.
 *
 * See also: http/console/type-stripper-worker (the thread), http/console/console-files.
 */
import { Worker } from 'node:worker_threads'
import { Fault } from '../../errors.ts'
import { workerUrl } from '../../worker-url.ts'
import type { StrippedFile } from './type-stripper-worker.ts'

/** Erases the types of files, by name; lines stay. Faults: config_invalid, with the file's name (a syntax error, or syntax that is more than types), internal (the thread ended). */
export async function stripTypes(sources: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
  const worker = new Worker(workerUrl('./type-stripper-worker', import.meta.url), { workerData: sources })
  const files = await new Promise<readonly StrippedFile[]>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Fault('internal', `the thread that prepares the console ended with ${code}`)))
  })
  const stripped = new Map<string, string>()
  for (const file of files) {
    if ('reason' in file) throw new Fault('config_invalid', `${file.name}: ${file.reason}`)
    stripped.set(file.name, file.code)
  }
  return stripped
}
