/**
 * log-formats - the logs that can be followed, by name
 *
 * See also: mta-log/line-parser (the type of a parser), docs/FOLLOW.md.
 */
import type { ParseLine } from './line-parser.ts'
import { parseEximLine } from './formats/exim.ts'
import { parseHarakaLine } from './formats/haraka.ts'
import { parseJsonlLine } from './formats/jsonl.ts'
import { parseKumomtaLine } from './formats/kumomta.ts'
import { parseOpensmtpdLine } from './formats/opensmtpd.ts'
import { parsePostfixLine } from './formats/postfix.ts'
import { parsePowermtaLine } from './formats/powermta.ts'
import { parseZonemtaLine } from './formats/zonemta.ts'

const PARSERS = {
  postfix: parsePostfixLine,
  exim: parseEximLine,
  kumomta: parseKumomtaLine,
  powermta: parsePowermtaLine,
  opensmtpd: parseOpensmtpdLine,
  haraka: parseHarakaLine,
  zonemta: parseZonemtaLine,
  jsonl: parseJsonlLine,
} as const satisfies Readonly<Record<string, ParseLine>>

export type LogFormat = keyof typeof PARSERS

// Checked cast: the keys of the literal above.
export const LOG_FORMATS: readonly LogFormat[] = Object.keys(PARSERS) as LogFormat[]

/** The parser of a format. */
export const parserOf = (format: LogFormat): ParseLine => PARSERS[format]
