/**
 * scratch - one folder for all that a run of the tests writes, gone when it ends
 *
 * What tests and the daemons that they start put into the system's folder for temporary files lies in it.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs once before the workers start, which inherit the environment; what it returns runs when they have ended. */
export function setup(): () => void {
  const before = process.env['TMPDIR']
  const folder = mkdtempSync(join(tmpdir(), 'bounced-test-'))
  // A server that runs as another user finds its way through.
  chmodSync(folder, 0o711)
  process.env['TMPDIR'] = folder
  return () => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
