/**
 * page-shell - the one HTML document of the console, and its content security policy
 *
 * Every URL of the console gets this document; the page's own router shows what the URL names. The import map is the only inline script, and
 * its digest stands in the policy. Nothing else may run, load or connect but what this daemon serves.
 *
 * See also: http/console/console-files, http/console/console-routes.
 */
import { createHash } from 'node:crypto'
import type { ConsoleFiles } from './console-files.ts'

export const CONSOLE_ROOT = '/console'

/** The page on which the token of a one-time link sets a password. The token is in the fragment: no server and no log sees it. */
export const consoleLinkOf = (publicUrl: string, token: string): string => `${publicUrl}${CONSOLE_ROOT}/welcome#${token}`

type PageShell = { readonly html: string; readonly policy: string }

/** The URL of a file of the console. */
const urlOf = (version: string, path: string): string => `${CONSOLE_ROOT}/assets/${version}/${path}`

/** Makes the document and its policy. Pure. */
export function createPageShell({ version, libraries, main, styles, preloads }: ConsoleFiles): PageShell {
  const imports = Object.fromEntries(Object.entries(libraries).map(([name, path]) => [name, urlOf(version, path)]))
  const importMap = JSON.stringify({ imports })
  const links = preloads.map((path) => `<link rel="modulepreload" href="${urlOf(version, path)}">`)
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>bounced</title>
<link rel="icon" type="image/svg+xml" href="${urlOf(version, 'icon.svg')}">
<link rel="stylesheet" href="${urlOf(version, styles)}">
<script type="importmap">${importMap}</script>
${links.join('\n')}
<script type="module" src="${urlOf(version, main)}"></script>
</head>
<body>
<div id="console"></div>
<noscript>The console needs JavaScript. The API at /v1 and the command line do the same.</noscript>
</body>
</html>
`
  return { html, policy: policyFor(importMap) }
}

function policyFor(inlineScript: string): string {
  const digest = createHash('sha256').update(inlineScript).digest('base64')
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${digest}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    // Text from mails never becomes markup, not even by a mistake of ours.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
}
