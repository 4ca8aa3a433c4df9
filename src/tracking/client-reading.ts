/**
 * client-reading - reads device, browser and system from a User-Agent header
 *
 * The result is a hint for statistics: a client may send any header, and only names from the tables are returned, never its own words. Mail
 * programs that the library does not know are in a table here.
 *
 * Pure, total. RFC 9110 §10.1.5. See also: tracking/machine-reading.
 */
import Bowser from 'bowser'

/** What is not recognised is null. */
export type ClientReading = {
  /** desktop, mobile, tablet, tv or bot. */
  readonly device: string | null
  readonly browser: string | null
  readonly browserVersion: string | null
  readonly system: string | null
  readonly systemVersion: string | null
}

const NOTHING_READ: ClientReading = { device: null, browser: null, browserVersion: null, system: null, systemVersion: null }

/** Longer headers are truncated: the library's patterns run over text of strangers. */
const MAX_USER_AGENT_CHARACTERS = 512

/** They name a browser beside themselves. The first match wins. */
const MAIL_PROGRAMS = [
  ['Thunderbird', /\bThunderbird\/([\d.]{1,20})/],
  ['Outlook', /\bOutlook(?:-iOS|-Android)?[ /]([\d.]{1,20})/],
] as const

const BROWSERS: ReadonlySet<string> = new Set(Object.values(Bowser.BROWSER_MAP))
const SYSTEMS: ReadonlySet<string> = new Set(Object.values(Bowser.OS_MAP))
const DEVICES: ReadonlySet<string> = new Set(Object.values(Bowser.PLATFORMS_MAP))

/** A version as the field has it; Windows writes `NT 10.0`. */
const VERSION = /^(?:NT )?(\d[\d._]{0,19})$/

/**
 * Reads the header.
 *
 *     readClient('Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/126.0.0.0 Safari/537.36')
 *     → { device: 'desktop', browser: 'Chrome', browserVersion: '126.0.0.0', system: 'Windows', systemVersion: '10.0' }
 */
export function readClient(userAgent: string | null): ClientReading {
  const text = (userAgent ?? '').slice(0, MAX_USER_AGENT_CHARACTERS).trim()
  if (text === '') return NOTHING_READ
  const known = readings.get(text)
  if (known !== undefined) return known
  const reading = read(text)
  // Strangers fill it, so the oldest gives way.
  for (const oldest of readings.keys()) {
    if (readings.size < MAX_READINGS) break
    readings.delete(oldest)
  }
  readings.set(text, reading)
  return reading
}

/** The readers of a campaign have a few hundred user agents, and the library takes longer than all else about a request. */
const MAX_READINGS = 500
const readings = new Map<string, ClientReading>()

function read(text: string): ClientReading {
  const { browser, os, platform } = Bowser.parse(text)
  const [mailProgram, mailVersion] = findMailProgram(text)
  const known = knownName(browser.name, BROWSERS)
  return {
    device: knownName(platform.type, DEVICES),
    browser: mailProgram ?? known,
    browserVersion: mailVersion ?? (known === null ? null : versionOf(browser.version)),
    system: knownName(os.name, SYSTEMS),
    systemVersion: versionOf(os.version),
  }
}

/** A longer header says nothing more about the client. */
const MAX_STORED_CHARACTERS = 256

/** The header as it is stored: without control and formatting characters, which would change how it is displayed. */
export const storedUserAgent = (text: string | null, privacy: 'whole' | 'reading'): string | null =>
  privacy === 'reading' ? null : (text?.slice(0, MAX_STORED_CHARACTERS).replaceAll(/[\p{C}\p{Z}]+/gu, ' ') ?? null)

function findMailProgram(text: string): readonly [string, string] | readonly [] {
  for (const [name, pattern] of MAIL_PROGRAMS) {
    const version = pattern.exec(text)?.[1]
    if (version !== undefined) return [name, version]
  }
  return []
}

const knownName = (name: string | undefined, names: ReadonlySet<string>): string | null =>
  name !== undefined && names.has(name) ? name : null
const versionOf = (text: string | undefined): string | null => VERSION.exec(text ?? '')?.[1]?.replaceAll('_', '.') ?? null
