/**
 * report-evidence - scores the evidence for and against a message being a delivery report
 *
 * No single indicator is proof: newsletters write about bounces, people forward them, spam imitates them, and real reports lack
 * half of what RFC 3464 requires. Each indicator has a weight (mail/report-weights), and the sum decides.
 *
 * Pure, total. See also: mail/dsn/delivery-report.
 */
import { hasAutoReplySubject, isChallenge } from './feedback/auto-reply.ts'
import { INDICATOR_WEIGHTS, REPORT_THRESHOLD, type IndicatorId } from './report-weights.ts'

export type ReportEvidence = {
  readonly headers: Readonly<Record<string, string>>
  readonly subject: string
  readonly from: string
  readonly reportType: string
  readonly bodyText: string
  /** Number of recipient groups in the delivery-status fields. */
  readonly dsnRecipientCount: number
  /** Whether a label, a section, a line or the words "your message to" name an address. */
  readonly hasNamedAddress: boolean
  /** Whether the best address is in a RCPT TO command or an SMTP reply. */
  readonly hasQuotedAddress: boolean
  readonly hasAddress: boolean
  /** Whether an address stands below a title about a failed delivery. */
  readonly hasFailureList: boolean
  /** Whether the lines about these addresses contain an SMTP reply or a failure phrase. */
  readonly hasFailureText: boolean
  readonly headerFormatCount: number
  readonly signatureLineCount: number
  readonly sectionLineCount: number
  readonly hasOriginalMessage: boolean
}

const DAEMON_MAILBOX =
  /(?:^|[<\s"])(?:mailer-?daemon|mail-?daemon|mailerdaemon|postmaster|post_master|mail[._-]?delivery[\w.-]*|mdaemon|mail-?system|bounces?(?:[-+][^@]*)?|mail-?admin|double-bounce|microsoftexchange[0-9a-f]+)(?:@|>|\s|$)/i
const DAEMON_NAME =
  /mail deliver|delivery (?:sub)?system|mail system|system administrator|mailer.?daemon|postmaster|internet mail delivery|mail administrator|delivery (?:status|report|notification)|microsoft outlook|mdaemon|mail router|e-?mail (?:gateway|system)|systemadministrator|administrateur système|administrador del sistema|系统管理员|postamt|メール配信|メールシステム|ndr administrator|(?:mail|e-?mail|message|smtp) ?-?(?:gateway|security|filter|server|scanner|guard)|anti-?(?:virus|spam)|почтовая система|почтовый сервер|mailsystem|correo|messagerie/i
const BOUNCE_SUBJECT =
  /\b(?:undeliver(?:able|ed)|non[- ]?deliver(?:y|able)|could not be delivered|not deliver(?:ed|able)|mail delivery (?:fail|error|problem|status|sub|system|report)|deliver(?:y|e) (?:has )?(?:fail|error|problem|delay|status|notification|report)|delivery status notification|failed (?:delivery|mail|message)|can(?:no|')t be (?:delivered|forwarded)|message (?:delivery|undeliverable|status)|mail (?:system )?error|returned (?:e-?)?mail|return(?:ed|ing) (?:message |mail )?to sender|failure notice|mail failed|mail failure|bounce[d ]?(?: notification| message|:|$)|unable to deliver|error sending|warning: (?:message|could not send|.{0,30} delayed)|message .{0,40} delayed|delayed|(?:message|mail) (?:was |has been )?(?:rejected|refused|blocked)|user unknown|unknown user|unzustellbar|nicht zustellbar|unzustellbarkeit|zustellung fehlgeschlagen|zustellungsbenachrichtigung|non remis|échec de (?:la )?(?:remise|distribution)|retour(?:né)? à l.expéditeur|no se (?:puede|pudo|ha podido) entregar|no entregado|devuelto|no se puede|não (?:foi )?entreg|não é possível|devolvid|mancato recapito|non recapitabil|impossibile recapitare|onbestelbaar|niet bezorgd|olevererbar|olevererat|kan ikke leveres|ulevert|uleveret|toimittamaton|ei voi(?:tu|da) toimittaa|nie można dostarczyć|niedostarcz|nedoručiteln|kézbesíthetetlen|teslim edilemedi|nepiegādājam|nepristatyt|kohaletoimetamatu)/i
/** Scripts in which `\b` does not match word boundaries. */
const BOUNCE_SUBJECT_OTHER =
  /退信|退回|无法投递|未送达|未传递|无法送达|無法傳遞|未傳遞|无法传递|投递失败|邮件发送失败|配信不能|配信エラー|配送エラー|送信エラー|送信できません|配送不能|不達|返送|配信できません|エラーメール|не доставлен|недоставлен|не удается доставить|недоставк|не может быть доставлено|배달되지|배달 ?실패|반송|送达失败|未能送达|メールエラー|メール ?が? ?送信でき/i
const FORWARD_SUBJECT = /^\s*(?:\[[^\]]{1,40}\]\s*)?(?:fwd?|fw|wg|tr|rv|enc|vb|doorst|i|vs|pd|转发|轉寄|转)\s*[:：]/i
const REPLY_SUBJECT = /^\s*(?:\[[^\]]{1,40}\]\s*)?(?:re|aw|antw|sv|回复|回覆|答复)\s*[:：]/i

/** The subject of Postfix's notice about an SMTP session. */
const SESSION_ERRORS = /\berrors from \S+\[/i
/** Words of a mail system about its own mail: a message that it holds, the size of a mailbox, advice on settings. No delivery failed. */
const OPERATOR_NOTICE =
  /\bwas frozen on arrival\b|\bmailbox\s(?:has exceeded a warning|is (?:now )?(?:almost|nearly|about|over|at)? ?\d{2,3} ?% full|is (?:almost|nearly) full)|\bdelivered\s+without\s+any\s+further\s+action\b/i

/** The evidence with what several indicators ask. */
type ExaminedEvidence = ReportEvidence & {
  /** Whether From is the mailbox of a mail system, or empty. A display name alone proves nothing if the mailbox is another. */
  readonly isFromDaemon: boolean
  readonly hasDaemonName: boolean
}

type Indicator = { readonly id: IndicatorId; readonly isPresent: (evidence: ExaminedEvidence) => boolean }

const headerOf = (evidence: ReportEvidence, name: string): string => evidence.headers[name] ?? ''

const INDICATORS: readonly Indicator[] = [
  { id: 'status-groups', isPresent: (evidence) => evidence.dsnRecipientCount > 0 },
  {
    id: 'status-report',
    isPresent: (evidence) => evidence.dsnRecipientCount > 0 && evidence.reportType === 'delivery-status',
  },
  { id: 'report-type', isPresent: (evidence) => evidence.reportType === 'delivery-status' },
  { id: 'failed-recipients', isPresent: (evidence) => headerOf(evidence, 'x-failed-recipients') !== '' },
  {
    id: 'ndr-field',
    isPresent: (evidence) =>
      evidence.headers['x-ms-exchange-message-is-ndr'] !== undefined || evidence.headers['x-ms-embedded-report'] !== undefined,
  },
  {
    id: 'null-sender',
    isPresent: (evidence) =>
      /^\s*<\s*>\s*$/.test(evidence.headers['return-path'] ?? '') || /mailer-daemon/i.test(headerOf(evidence, 'return-path')),
  },
  { id: 'daemon-box', isPresent: ({ isFromDaemon }) => isFromDaemon },
  { id: 'daemon-name', isPresent: ({ hasDaemonName }) => hasDaemonName },
  {
    id: 'subject',
    isPresent: hasBounceSubject,
  },
  {
    id: 'auto-submitted',
    isPresent: (evidence) => /^\s*auto-(?:replied|generated)/i.test(headerOf(evidence, 'auto-submitted')),
  },
  { id: 'auto-failure', isPresent: (evidence) => /\((?:failure|warning|delayed)/i.test(headerOf(evidence, 'auto-submitted')) },
  { id: 'writer-header', isPresent: (evidence) => evidence.headerFormatCount > 0 },
  { id: 'writer-words', isPresent: (evidence) => evidence.signatureLineCount > 0 },
  { id: 'sections', isPresent: (evidence) => evidence.sectionLineCount > 0 },
  {
    id: 'failing-address',
    isPresent: (evidence) => (evidence.hasNamedAddress || evidence.hasQuotedAddress) && evidence.hasFailureText,
  },
  { id: 'failure-list', isPresent: (evidence) => evidence.hasFailureList },
  { id: 'returned', isPresent: (evidence) => evidence.hasOriginalMessage },
  { id: 'no-address', isPresent: isWithoutRecipient },
  {
    id: 'no-address-and-a-reader',
    isPresent: (evidence) => isWithoutRecipient(evidence) && !evidence.hasOriginalMessage && hasPersonalReturnPath(evidence),
  },
  {
    id: 'operator-notice',
    isPresent: isOperatorNotice,
  },
  {
    id: 'stranger',
    isPresent: (evidence) =>
      evidence.dsnRecipientCount === 0 &&
      !evidence.hasNamedAddress &&
      headerOf(evidence, 'x-failed-recipients') === '' &&
      !evidence.isFromDaemon &&
      !evidence.hasDaemonName,
  },
  { id: 'forwarded', isPresent: (evidence) => FORWARD_SUBJECT.test(evidence.subject) && !evidence.isFromDaemon },
  {
    id: 'answered',
    isPresent: (evidence) =>
      REPLY_SUBJECT.test(evidence.subject) && !evidence.isFromDaemon && !evidence.hasDaemonName && evidence.dsnRecipientCount === 0,
  },
  { id: 'person', isPresent: isFromPerson },
  {
    id: 'bulk',
    isPresent: (evidence) =>
      (evidence.dsnRecipientCount === 0 || !/^multipart\/report/i.test(headerOf(evidence, 'content-type'))) &&
      (evidence.headers['list-unsubscribe'] !== undefined || evidence.headers['list-id'] !== undefined) &&
      headerOf(evidence, 'x-failed-recipients') === '' &&
      !isDaemonReport(evidence),
  },
  { id: 'answer-subject', isPresent: (evidence) => evidence.dsnRecipientCount === 0 && hasAutoReplySubject(evidence.subject) },
  { id: 'challenge', isPresent: (evidence) => evidence.dsnRecipientCount === 0 && isChallenge(evidence) },
]

/** Whether the subject is that of a report, in the languages of mail servers. */
function hasBounceSubject({ subject }: ReportEvidence): boolean {
  return BOUNCE_SUBJECT.test(subject.slice(0, 300)) || BOUNCE_SUBJECT_OTHER.test(subject.slice(0, 300))
}

function isDaemonMailbox(from: string): boolean {
  const mailbox = /<([^<>]*@[^<>]*)>\s*$/.exec(from.slice(-400))?.[1] ?? from
  return DAEMON_MAILBOX.test(mailbox) || /^\s*(?:<\s*>)?\s*$/.test(from)
}

/**
 * Whether a mail system wrote the message in its own layout and names a failed address. Mailing lists and gateways add their List fields to such
 * reports too.
 */
function isDaemonReport(evidence: ExaminedEvidence): boolean {
  const hasLayout = evidence.signatureLineCount > 0 || evidence.hasFailureList
  return evidence.isFromDaemon && hasLayout && evidence.hasNamedAddress && evidence.hasFailureText
}

/** Whether a mail system writes to its operator or to the owner of a mailbox: the errors of an SMTP session, or a notice without a failure. */
function isOperatorNotice({ subject, bodyText, dsnRecipientCount, hasFailureList }: ReportEvidence): boolean {
  if (SESSION_ERRORS.test(subject)) return !/\b354 /.test(bodyText)
  return dsnRecipientCount === 0 && !hasFailureList && OPERATOR_NOTICE.test(bodyText.slice(0, 1_000))
}

/** Whether the report names no recipient. */
function isWithoutRecipient(evidence: ReportEvidence): boolean {
  return evidence.dsnRecipientCount === 0 && !evidence.hasAddress && headerOf(evidence, 'x-failed-recipients') === ''
}

/** Whether the Return-Path is a mailbox. The Return-Path of a report is empty. */
function hasPersonalReturnPath(evidence: ReportEvidence): boolean {
  const path = evidence.headers['return-path'] ?? ''
  return path.includes('@') && !/mailer-?daemon|double-bounce/i.test(path)
}

/** Whether From looks like a person and the Return-Path is not empty. */
function isFromPerson(evidence: ExaminedEvidence): boolean {
  if (evidence.isFromDaemon || evidence.hasDaemonName) return false
  if (/^\s*<\s*>\s*$/.test(evidence.headers['return-path'] ?? '')) return false
  return (
    !/no-?reply|admin|system|notif|gateway|anti-?virus|anti-?spam|mail-?(?:scan|guard|filter)|@sns\.|majordomo|listserv/i.test(
      evidence.from,
    ) && evidence.reportType !== 'delivery-status'
  )
}

/** The indicators that are present. Total. */
export function findIndicators(evidence: ReportEvidence): readonly IndicatorId[] {
  const { from } = evidence
  const examined: ExaminedEvidence = { ...evidence, isFromDaemon: isDaemonMailbox(from), hasDaemonName: DAEMON_NAME.test(from) }
  return INDICATORS.filter((indicator) => indicator.isPresent(examined)).map(({ id }) => id)
}

/** Whether the evidence is that of a delivery report: whether the weights of its indicators reach the threshold. Total. */
export function isDeliveryReport(indicators: readonly IndicatorId[]): boolean {
  return scoreIndicators(indicators) >= REPORT_THRESHOLD
}

/** The sum of the weights of indicators. Total. */
export function scoreIndicators(indicators: readonly IndicatorId[]): number {
  return indicators.reduce((score, id) => score + INDICATOR_WEIGHTS[id], 0)
}
