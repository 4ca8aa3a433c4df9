/**
 * worker-url - where the module of a worker thread is: beside the file that starts it
 *
 * The source runs as `.ts` and the package as `.js`, and the module has the extension of the file that starts it.
 *
 * See also: package/pack.
 */
import { extname } from 'node:path'

/**
 * The URL of a module, without its extension, beside the module `from`.
 *
 *     workerUrl('./sqlite-worker', import.meta.url) → file:///…/store/engine/sqlite-worker.ts
 */
export function workerUrl(module: `./${string}`, from: string): URL {
  return new URL(`${module}${extname(new URL(from).pathname)}`, from)
}
