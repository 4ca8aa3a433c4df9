/**
 * user-agent - browser and system out of a User-Agent, in the vendor's four fields
 *
 * A hint for statistics: the header says what it likes. Pure, total. RFC 9110 §10.1.5.
 */

/** First that is found decides: newer browsers name the older ones that they want to be taken for. */
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

/** Longer ones are cut. */
const MAX_USER_AGENT_CHARACTERS = 512

export type UserAgentFields = {
  readonly explorerName: string
  readonly explorerVer: string
  readonly oSName: string
  readonly oSVer: string
}

/** Empty where nothing is known. */
export function parseUserAgent(text: string): UserAgentFields {
  const truncated = text.slice(0, MAX_USER_AGENT_CHARACTERS)
  const [explorerName, explorerVer] = matchFirst(BROWSERS, truncated)
  const [oSName, oSVer] = matchFirst(OPERATING_SYSTEMS, truncated)
  return { explorerName, explorerVer, oSName, oSVer }
}

function matchFirst(rows: readonly (readonly [string, RegExp])[], text: string): readonly [string, string] {
  for (const [name, pattern] of rows) {
    const found = pattern.exec(text)
    if (found !== null) return [name, (found[1] ?? '').replaceAll('_', '.')]
  }
  return ['', '']
}
