/**
 * rate-text - a rate as operators write it: "100/s", "10,000/hour"
 *
 * Pure. See also: queue/shaping/shaping-file, queue/shaping/kumomta-import.
 */

const MINUTES_OF_UNIT: Readonly<Record<string, number>> = {
  s: 1 / 60,
  sec: 1 / 60,
  second: 1 / 60,
  m: 1,
  min: 1,
  minute: 1,
  h: 60,
  hr: 60,
  hour: 60,
  d: 1_440,
  day: 1_440,
}

const RATE = /^\s*(\d{1,9}(?:[_,]\d{3})*)\s*\/\s*([a-z]+)\s*$/i

/**
 * Reads a rate as messages or connections a minute; null for any other text. Total.
 *
 *     perMinuteOf('100/s')   → 6000
 */
export function perMinuteOf(text: string): number | null {
  const [, count = '', unit = ''] = RATE.exec(text) ?? []
  const minutes = MINUTES_OF_UNIT[unit.toLowerCase().replace(/s$/, '')] ?? MINUTES_OF_UNIT[unit.toLowerCase()]
  const number = Number(count.replaceAll(/[_,]/g, ''))
  return minutes === undefined || !(number > 0) ? null : number / minutes
}
