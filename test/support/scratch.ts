/**
 * scratch - one temporary folder for a whole test run, removed at its end
 *
 * Temporary files of the tests, and of the daemons that they start, are in it.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs once before the workers start, which inherit the environment. The returned function runs after they have ended. */
export function setup(): () => void {
  const before = process.env['TMPDIR']
  const folder = mkdtempSync(join(tmpdir(), 'bounced-test-'))
  // Servers that run as another user must be able to pass through.
  chmodSync(folder, 0o711)
  process.env['TMPDIR'] = folder
  return () => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
