/**
 * console - settings of the console, the web page for operators
 *
 * See also: settings/schema (all settings), http/console/console-routes (serves it), docs/CONSOLE.md.
 */
import { z } from 'zod'
import { setting } from './setting.ts'

export const consoleSettings = z.strictObject({
  enabled: setting(
    z.boolean().default(true),
    'Serve the console at /console, and lead a browser there from /',
    'true: nothing of it is loaded before the first request, and every page needs a sign-in; false leaves the API alone',
  ),
})
