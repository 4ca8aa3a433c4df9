/**
 * serve - runs the daemon until a signal ends it
 *
 * Prints the URLs and one line `ready smtp=PORT http=PORT admin=PORT` once all listeners are open; at the first start, before them, the secrets and
 * three commands to try.
 * SIGTERM and SIGINT end the daemon in order, a second one at once. SIGHUP reloads rules and certificate.
 *
 * See also: daemon/app.
 */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import type { FirstCredentials } from '../daemon/accounts.ts'
import { startApp } from '../daemon/app.ts'
import type { App } from '../daemon/app.ts'
import { CONSOLE_ROOT } from '../http/console/page-shell.ts'
import { activatedSocketsOf } from '../net/activated-sockets.ts'
import { localUrlOf } from '../settings/exposure.ts'
import type { Config } from '../settings/load.ts'
import { createTelemetry } from '../telemetry.ts'
import type { Telemetry } from '../telemetry.ts'
import type { DefineCommand } from './command.ts'
import { loadConfigFor } from './command.ts'
import { STORE_COMMANDS } from './store-commands.ts'
import { trimMemory } from './trim-memory.ts'
import { firstCredentialsLines } from './with-store.ts'
import { printLines } from './output.ts'

export const serveCommand: DefineCommand = (command) => {
  command.action(async (_options: object, self: Command) => {
    const config = loadConfigFor(self)
    const telemetry = await createTelemetry(config.settings.log)
    for (const warning of config.warnings) telemetry.log.warn(warning)
    const app = await startApp(config.settings, telemetry, {
      commands: STORE_COMMANDS,
      settingRows: config.rows,
      sockets: activatedSocketsOf(process.env, process.pid),
    })
    handleSignals(app, telemetry, config.settings.limits.closeSeconds * 1_000 + LAST_RESORT_MS)
    if (app.firstCredentials)
      printLines(...firstCredentialsLines(app.firstCredentials, app.publicUrl), ...exampleLines(app.firstCredentials, app.httpPort, config))
    printLines(urlLine(app, config))
    const { smtpPort: smtp, httpPort: http, adminPort: admin, submissionPort: submission, httpsPort: https, lmtp } = app
    printLines(
      `ready smtp=${smtp} http=${http}${https === null ? '' : ` https=${https}`}${submission === null ? '' : ` submission=${submission}`}${lmtp === null ? '' : ` lmtp=${lmtp}`} admin=${admin}`,
    )
    telemetry.log.info({ smtp, http, https, submission, lmtp, admin }, 'ready')
    trimMemory()
  })
}

const EXAMPLE_MAIL = 'fixtures/mails/google-not-exist.eml'

/** Where people and programs reach the daemon, as links. */
function urlLine({ publicUrl, adminPort }: App, { settings }: Config): string {
  const metrics = `${localUrlOf(settings.http.adminHost, adminPort)}/metrics`
  return `console ${publicUrl}${CONSOLE_ROOT}   API ${publicUrl}/v1   its documentation ${publicUrl}/docs   metrics ${metrics}`
}

/** Three commands that can be pasted into a shell. */
function exampleLines({ apiUser, apiKey }: FirstCredentials, httpPort: number, { settings }: Config): string[] {
  const url = localUrlOf(settings.http.host, httpPort)
  const user = apiKey === null ? `"${apiUser}:$BOUNCED_API_KEY"` : `${apiUser}:${apiKey}`
  const mail = '{"from":"news@example.com","subject":"Hello","recipients":["joe@example.org"]}'
  const post = `curl -s -u ${user} -H 'content-type: application/json'`
  return [
    'Three commands to try next:',
    // The package has no example mails.
    existsSync(EXAMPLE_MAIL)
      ? `  npx --no-install bounced explain ${EXAMPLE_MAIL}`
      : `  ${post} -d '{"reply":"550 5.1.1 No such user"}' ${url}/v1/classify`,
    `  ${post} -d '${mail}' ${url}/v1/messages`,
    `  curl -s -u ${user} ${url}/v1/messages`,
  ]
}

/** What still runs after `limits.closeSeconds` and this much more does not end: a disk that hangs, a peer that never closes. */
const LAST_RESORT_MS = 2_000

function handleSignals(app: App, telemetry: Telemetry, closeWithinMs: number): void {
  let isShuttingDown = false
  const shutDown = (signal: NodeJS.Signals): void => {
    if (isShuttingDown) process.exit(1)
    isShuttingDown = true
    telemetry.log.info({ signal }, 'shutting down')
    setTimeout(() => {
      telemetry.log.error({ closeWithinMs }, 'the shutdown does not end; the process ends now')
      process.exit(1)
    }, closeWithinMs).unref()
    app.close().then(
      () => process.exit(0),
      (error: unknown) => {
        telemetry.log.error({ err: error }, 'shutdown failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', shutDown)
  process.on('SIGINT', shutDown)
  process.on('SIGHUP', () => {
    try {
      app.reload()
      telemetry.log.info('rules and certificate reloaded')
    } catch (error) {
      telemetry.log.error({ err: error }, 'reload failed; the previous rules and certificate stay in use')
    }
  })
}
