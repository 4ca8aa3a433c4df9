/**
 * loop-reports - complaints in the shape of the loops that we know: their From, their h=, their order of parts
 *
 * Own words and reserved names; From and d= are those of the loops, because these are what is compared.
 */
const BOUNDARY = '_----------=_1700000000112233'

type Loop = { readonly from: string; readonly domain: string; readonly signedFields: string; readonly encoding: string }

export const LOOPS = {
  /** 2016: the MIME fields are not signed, From and Subject are named twice. */
  yahoo: {
    from: 'Mail Feedback <feedback@arf.mail.yahoo.com>',
    domain: 'arf.mail.yahoo.com',
    signedFields: 'Date:From:To:Subject:From:Subject',
    encoding: '7bit',
  },
  /** 2010: the MIME fields are signed. */
  yahooWithMime: {
    from: 'Mail Feedback <feedback@arf.mail.yahoo.com>',
    domain: 'arf.mail.yahoo.com',
    signedFields: 'MIME-Version:Content-Transfer-Encoding:Content-Type:X-Mailer:Date:From:To:Subject',
    encoding: '7bit',
  },
  comcast: {
    from: 'feedbackloop@comcastfbl.senderscore.net',
    domain: 'senderscore.net',
    signedFields: 'Date:Subject:To:From',
    encoding: '7bit',
  },
  /** 2020: From, To and Subject only. */
  yandex: {
    from: 'FBL Service <feedbackloop@yandexfbl.senderscore.net>',
    domain: 'senderscore.net',
    signedFields: 'from:to:subject',
    encoding: 'binary',
  },
} as const satisfies Record<string, Loop>

type LoopReport = {
  readonly from: string
  readonly encoding?: string
  readonly to?: string
  /** Fields of the reported message, besides From, To and Subject. */
  readonly reported: readonly string[]
  readonly type?: string
  /** Fields of the feedback report. */
  readonly fields?: readonly string[]
}

/** A complaint of a loop, unsigned. */
export function loopReport({
  from,
  encoding = '7bit',
  to = 'fbl@fbl.example.com',
  reported,
  type = 'abuse',
  fields = [],
}: LoopReport): string {
  return [
    'MIME-Version: 1.0',
    `Content-Transfer-Encoding: ${encoding}`,
    `Content-Type: multipart/report; boundary="${BOUNDARY}"; report-type="feedback-report"`,
    'X-Mailer: Loop 1.0',
    'Date: Fri, 20 Nov 2026 11:00:00 +0000',
    `From: ${from}`,
    `To: ${to}`,
    'Subject: FW: an offer',
    '',
    'This message has several parts.',
    '',
    `--${BOUNDARY}`,
    'Content-Type: text/plain; charset="US-ASCII"',
    '',
    'A reader of this message has complained.',
    '',
    `--${BOUNDARY}`,
    'Content-Type: message/feedback-report',
    '',
    `Feedback-Type: ${type}`,
    'User-Agent: Loop/1.0',
    'Version: 1',
    ...fields,
    '',
    `--${BOUNDARY}`,
    'Content-Type: message/rfc822',
    '',
    ...reported,
    'From: news@example.com',
    'To: reader@example.org',
    'Subject: an offer',
    '',
    'Buy now.',
    '',
    `--${BOUNDARY}--`,
    '',
  ].join('\r\n')
}
