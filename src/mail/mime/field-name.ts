/**
 * field-name - reads the name of a header field in lower case
 *
 * Pure, total. RFC 5322 §3.6.8. See also: mail/mime/header.
 */

/** Usual spellings of common names. A lookup avoids a new string, which costs more than reading the value. */
const COMMON_SPELLINGS: ReadonlyMap<number, readonly Spelling[]> = Map.groupBy(
  [
    'Return-Path Received From To Cc Subject Date Message-ID Message-Id Message-id MIME-Version Mime-Version Sender Reply-To',
    'References In-Reply-To Content-Type Content-type Content-Transfer-Encoding Content-transfer-encoding Content-Disposition',
    'Content-Description Content-ID Content-Language Content-Length Delivered-To X-Original-To Auto-Submitted Precedence Errors-To',
    'X-Failed-Recipients X-Mailer User-Agent X-Priority X-MSMail-Priority Importance Thread-Topic Thread-Index Status X-Status',
    'DKIM-Signature DomainKey-Signature ARC-Seal ARC-Message-Signature ARC-Authentication-Results Authentication-Results',
    'Received-SPF X-Received X-Google-Smtp-Source X-Gm-Message-State X-Google-DKIM-Signature X-Originating-IP X-Virus-Scanned',
    'X-Spam-Status X-Spam-Level X-Spam-Score X-Spam-Checker-Version X-MimeOLE X-Return-Path X-Envelope-To X-Sender',
    'Reporting-MTA Arrival-Date Final-Recipient Original-Recipient Action Diagnostic-Code Remote-MTA Last-Attempt-Date Will-Retry-Until',
    'Received-From-MTA Original-Envelope-Id Final-Log-ID X-Postfix-Queue-ID X-Postfix-Sender X-Actual-Recipient',
    'List-Unsubscribe List-Unsubscribe-Post List-Id List-ID List-Help Feedback-ID CFBL-Address CFBL-Feedback-ID Organization',
  ]
    .join(' ')
    .split(' ')
    // The keys of an object are strings that V8 keeps once, so that comparing two of them reads neither.
    .flatMap((written) => Object.keys({ [written.toLowerCase()]: null }).map((name) => ({ written, name }))),
  ({ written }) => spellingKey(written, 0, written.length),
)

type Spelling = { readonly written: string; readonly name: string }

/** Hashes the length and three letters of a name, without allocating a string. */
function spellingKey(text: string, from: number, to: number): number {
  const length = to - from
  const middle = text.charCodeAt(from + (length >> 1))
  return (((((length << 7) | text.charCodeAt(from)) << 7) | text.charCodeAt(to - 1)) << 7) | middle
}

/** The name between two offsets in lower case, without white space before the colon. Total. */
export function readFieldName(text: string, from: number, to: number): string {
  const spellings = COMMON_SPELLINGS.get(spellingKey(text, from, to))
  if (spellings !== undefined) for (const { written, name } of spellings) if (text.startsWith(written, from)) return name
  return text.slice(from, to).trimEnd().toLowerCase()
}
