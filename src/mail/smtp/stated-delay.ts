/**
 * stated-delay - the delay that a reply asks for: "try again in five minutes", "retry after 300 seconds"
 *
 * Pure, total, linear. See also: ledger/decide/attempt-reading.
 */

const UNIT_MS = { second: 1_000, sec: 1_000, minute: 60_000, min: 60_000, hour: 3_600_000, hr: 3_600_000 } as const

const NUMBER_WORDS: Readonly<Record<string, number>> = {
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  ten: 10,
  fifteen: 15,
  twenty: 20,
  thirty: 30,
  sixty: 60,
}

/** Length of the text that is searched. */
const MAX_SEARCHED_TEXT = 2_048

/** A word about retrying, at most a few other words, a number, a unit. */
const STATED_DELAY =
  /\b(?:again|later|retry|wait|greylisted|delayed|deferred|come back|reconnect)\b[^.;\d]{0,40}?\b(\d{1,6}|one|two|three|four|five|ten|fifteen|twenty|thirty|sixty)[ -]?(seconds?|secs?|minutes?|mins?|hours?|hrs?|s|m|h)\b/i

const SHORT_UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }

/**
 * The delay in milliseconds; null if the text states none. Total.
 *
 *     parseStatedDelayMs('450 4.2.0 Greylisted, try again in 5 minutes')   → 300000
 */
export function parseStatedDelayMs(text: string): number | null {
  const found = STATED_DELAY.exec(text.slice(0, MAX_SEARCHED_TEXT))
  if (found === null) return null
  const [, amount = '', unit = ''] = found
  const n = NUMBER_WORDS[amount.toLowerCase()] ?? Number(amount)
  const name = unit.toLowerCase()
  const ms = SHORT_UNIT_MS[name] ?? UNIT_MS[name.replace(/s$/, '') as keyof typeof UNIT_MS] ?? 0
  return n * ms > 0 ? n * ms : null
}
