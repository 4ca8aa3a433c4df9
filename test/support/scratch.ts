/**
 * scratch - one folder for everything that a test run writes, removed at its end
 *
 * Sets TMPDIR, so that the temporary files of tests and of the daemons that they start lie in it, and NODE_COMPILE_CACHE, so that these
 * processes compile each module once a run.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs once before the workers start, which inherit the environment. The returned function runs when they have ended. */
export function setup(): () => void {
  const before = { TMPDIR: process.env['TMPDIR'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
  const folder = mkdtempSync(join(tmpdir(), 'bounced-test-'))
  // Lets PostgreSQL, which runs as another user, reach its own folder.
  chmodSync(folder, 0o711)
  process.env['TMPDIR'] = folder
  process.env['NODE_COMPILE_CACHE'] ??= join(folder, 'compile-cache')
  return () => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
