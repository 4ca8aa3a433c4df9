/**
 * console - settings of the console, the web page for operators
 *
 * See also: settings/schema (all settings), http/console/console-routes (serves it), docs/CONSOLE.md.
 */
import { z } from 'zod'
import { positiveInteger, setting } from './setting.ts'

export const consoleSettings = z.strictObject({
  enabled: setting(
    z.boolean().default(true),
    'Serve the console at /console, and lead a browser there from /',
    'true: it loads nothing before the first request, and shows nothing without a sign-in',
  ),
  idleMinutes: setting(
    positiveInteger.default(60),
    'Minutes without a request after which a session of the console ends',
    'a page that is open asks every few seconds, so only a closed one is idle; an hour outlasts a meeting',
  ),
  sessionHours: setting(
    positiveInteger.default(12),
    'Hours after which a session of the console ends in any case',
    'one sign-in for a working day',
  ),
})
