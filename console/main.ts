/**
 * main - the first module of the console: shows the application in the document
 *
 * See also: app/application, console/README.md.
 */
import { html, render } from 'htm/preact'
import { followAccounts } from './app/account-choice.ts'
import { Application, followReachability } from './app/application.ts'
import { applyPreferences } from './app/preferences.ts'
import { startRouter } from './app/router.ts'
import { loadSession } from './app/session.ts'

const root = document.getElementById('console')
if (root !== null) {
  applyPreferences()
  startRouter()
  followAccounts()
  followReachability(loadSession)
  render(html`<${Application} />`, root)
  void loadSession().catch((error: unknown) => console.warn(error))
}
