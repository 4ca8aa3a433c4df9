/**
 * formats - every known layout of a bounce written as prose, one row for each program or provider
 *
 * A new program is a new row. A row applies to every mail, because unknown programs often copy the words of a known one.
 * See also: mail/freeform/bounce-format (what a row contains), mail/freeform/format-index (lookup), mail/freeform/reader.
 *
 * Pure data.
 */
import type { BounceFormat } from './bounce-format.ts'
import { EXCHANGE_FORMATS } from './formats-exchange.ts'
import { MAIL_SERVER_FORMATS } from './formats-server.ts'
import { OFFICE_SERVER_FORMATS } from './formats-office.ts'
import { PROVIDER_FORMATS } from './formats-provider.ts'

export const BOUNCE_FORMATS: readonly BounceFormat[] = [
  ...MAIL_SERVER_FORMATS,
  ...EXCHANGE_FORMATS,
  ...OFFICE_SERVER_FORMATS,
  ...PROVIDER_FORMATS,
]
