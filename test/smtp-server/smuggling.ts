/**
 * smuggling - the published byte sequences of SMTP smuggling, which stand in for CR LF . CR LF
 *
 * When two servers disagree about the end of a mail, its author can hide a second mail in it, which the second server accepts with the
 * reputation of the first. A row with `ends` contains CR LF . CR LF and must end the mail; all others must not.
 */
type Variant = { readonly name: string; readonly bytes: string; readonly ends: boolean }

const row = (name: string, bytes: string, ends = false): Variant => ({ name, bytes, ends })

export const VARIANTS: readonly Variant[] = [
  row('CRLF.CRLF, the only end', '\r\n.\r\n', true),
  row('LF.LF', '\n.\n'),
  row('LF.CRLF', '\n.\r\n'),
  row('CRLF.LF', '\r\n.\n'),
  row('CR.CR', '\r.\r'),
  row('CR.CRLF', '\r.\r\n'),
  row('CRLF.CR', '\r\n.\r'),
  row('LF.CR', '\n.\r'),
  row('CR.LF', '\r.\n'),
  row('CRCRLF.CRLF, an end after a stray CR', '\r\r\n.\r\n', true),
  row('CRLF.CRCRLF', '\r\n.\r\r\n'),
  row('CRCRLF.CRCRLF', '\r\r\n.\r\r\n'),
  row('LFCR.LFCR', '\n\r.\n\r'),
  row('LFCR.CRLF', '\n\r.\r\n'),
  row('CRLFLF.LF', '\r\n\n.\n'),
  row('CRLFLF.CRLF', '\r\n\n.\r\n'),
  row('LFCRLF.CRLF, an end after a stray LF', '\n\r\n.\r\n', true),
  row('NUL before the dot', '\r\n\0.\r\n'),
  row('NUL after the dot', '\r\n.\0\r\n'),
  row('NUL between CR and LF before the dot', '\r\0\n.\r\n'),
  row('NUL between CR and LF after the dot', '\r\n.\r\0\n'),
  row('NUL for CR LF', '\0.\0'),
  row('LF.NUL LF', '\n.\0\n'),
  row('two dots', '\r\n..\r\n'),
  row('LF and two dots', '\n..\r\n'),
  row('space after the dot', '\r\n. \r\n'),
  row('tab after the dot', '\r\n.\t\r\n'),
  row('space before the dot', '\r\n .\r\n'),
  row('vertical tab for a line end', '\v.\v'),
  row('form feed for a line end', '\f.\f'),
  row('NEL (U+0085) for a line end', '\u{85}.\u{85}'),
  row('line separator (U+2028) for a line end', '\u{2028}.\u{2028}'),
  row('CR LF with the high bit set', '\x8d\x8a.\x8d\x8a'),
  row('fullwidth full stop', '\r\n．\r\n'),
]
