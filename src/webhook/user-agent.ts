/**
 * user-agent - reads the browser and the operating system from a User-Agent header
 *
 * The result is a hint for statistics, because a client may send any header. Pure, total. RFC 9110 §10.1.5.
 */

/** The first match wins: newer browsers also name the older ones that they are compatible with. */
const BROWSERS = [
  ['Edge', /\bEdg(?:e|A|iOS)?\/([\d.]{1,20})/],
  ['Opera', /\bOPR\/([\d.]{1,20})/],
  ['Firefox', /\b(?:Firefox|FxiOS)\/([\d.]{1,20})/],
  ['Chrome', /\b(?:Chrome|CriOS)\/([\d.]{1,20})/],
  ['Safari', /\bVersion\/([\d.]{1,20})/],
  ['Thunderbird', /\bThunderbird\/([\d.]{1,20})/],
  ['Outlook', /\bOutlook[ /]([\d.]{1,20})/],
] as const

const OPERATING_SYSTEMS = [
  ['Android', /\bAndroid ([\d.]{1,20})/],
  ['iOS', /\b(?:iPhone|CPU) OS ([\d_]{1,20})/],
  ['Windows', /\bWindows NT ([\d.]{1,20})/],
  ['macOS', /\bMac OS X ([\d_.]{1,20})/],
  ['Linux', /\bLinux()/],
] as const

/** Longer headers are truncated. */
const MAX_USER_AGENT_CHARACTERS = 512

type UserAgent = { readonly browser: string; readonly browserVersion: string; readonly os: string; readonly osVersion: string }

/** Reads the header; a field that is not recognised is empty. */
export function parseUserAgent(text: string): UserAgent {
  const truncated = text.slice(0, MAX_USER_AGENT_CHARACTERS)
  const [browser, browserVersion] = matchFirst(BROWSERS, truncated)
  const [os, osVersion] = matchFirst(OPERATING_SYSTEMS, truncated)
  return { browser, browserVersion, os, osVersion }
}

function matchFirst(rows: readonly (readonly [string, RegExp])[], text: string): readonly [string, string] {
  for (const [name, pattern] of rows) {
    const found = pattern.exec(text)
    if (found !== null) return [name, (found[1] ?? '').replaceAll('_', '.')]
  }
  return ['', '']
}
