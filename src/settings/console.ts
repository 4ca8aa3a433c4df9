/**
 * console - settings of the console, the web page for operators
 *
 * See also: settings/schema (all settings), http/console/console-routes (serves it), docs/CONSOLE.md.
 */
import { z } from 'zod'
import { setting } from './setting.ts'

export const consoleSettings = z.strictObject({
  enabled: setting(
    z.boolean().default(false),
    'Serve the console at /console, and lead a browser there from /',
    'false: it has no pages yet, only their frame; true loads nothing of it before the first request',
  ),
})
