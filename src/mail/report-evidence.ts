/**
 * report-evidence - how much speaks for a delivery report, and how much against
 *
 * No single sign is proof: newsletters write about bounces, people forward them, spam imitates them, and real ones lack
 * half of what RFC 3464 asks for. Each sign has a weight; their sum decides. Pure, total. See also: mail/report.
 */
import { hasAnswerSubject, isChallenge } from './feedback/auto-reply.ts'

export type Clues = {
  readonly headers: Readonly<Record<string, string>>
  readonly subject: string
  readonly from: string
  readonly reportType: string
  readonly words: string
  /** Groups of status fields that were read. */
  readonly groups: number
  /** Rank of the best address that the text offers, 0 without any. */
  readonly rank: number
  /** Whether any of those words hold a reply or speak of a failure. */
  readonly hasFailure: boolean
  readonly byHeader: number
  readonly knows: number
  readonly sections: number
  readonly hasReturned: boolean
}

/** What is as much as a delivery report needs. */
export const ENOUGH = 6

const DAEMON_BOX =
  /(?:^|[<\s"])(?:mailer-?daemon|mail-?daemon|mailerdaemon|postmaster|post_master|mail[._-]?delivery[\w.-]*|mdaemon|mail-?system|bounces?(?:[-+][^@]*)?|mail-?admin|double-bounce|microsoftexchange[0-9a-f]+)(?:@|>|\s|$)/i
const DAEMON_NAME =
  /mail deliver|delivery (?:sub)?system|mail system|system administrator|mailer.?daemon|postmaster|internet mail delivery|mail administrator|delivery (?:status|report|notification)|microsoft outlook|mdaemon|mail router|e-?mail (?:gateway|system)|systemadministrator|administrateur système|administrador del sistema|系统管理员|postamt|メール配信|メールシステム|ndr administrator/i
const BOUNCE_SUBJECT =
  /\b(?:undeliver(?:able|ed)|non[- ]?deliver(?:y|able)|could not be delivered|not deliver(?:ed|able)|mail delivery (?:fail|error|problem|status|sub|system|report)|deliver(?:y|e) (?:has )?(?:fail|error|problem|delay|status|notification|report)|delivery status notification|failed (?:delivery|mail|message)|can(?:no|')t be (?:delivered|forwarded)|message (?:delivery|undeliverable|status)|mail (?:system )?error|returned (?:e-?)?mail|return(?:ed|ing) (?:message |mail )?to sender|failure notice|mail failed|mail failure|bounce[d ]?(?: notification| message|:|$)|unable to deliver|error sending|warning: (?:message|could not send|.{0,30} delayed)|message .{0,40} delayed|delayed|user unknown|unknown user|unzustellbar|nicht zustellbar|unzustellbarkeit|zustellung fehlgeschlagen|zustellungsbenachrichtigung|non remis|échec de (?:la )?(?:remise|distribution)|retour(?:né)? à l.expéditeur|no se (?:puede|pudo|ha podido) entregar|no entregado|devuelto|no se puede|não (?:foi )?entreg|não é possível|devolvid|mancato recapito|non recapitabil|impossibile recapitare|onbestelbaar|niet bezorgd|olevererbar|olevererat|kan ikke leveres|ulevert|uleveret|toimittamaton|ei voi(?:tu|da) toimittaa|nie można dostarczyć|niedostarcz|nedoručiteln|kézbesíthetetlen|teslim edilemedi|nepiegādājam|nepristatyt|kohaletoimetamatu)/i
/** Words of scripts that know no word borders as `\b` does. */
const BOUNCE_SUBJECT_OTHER =
  /退信|退回|无法投递|未送达|未传递|无法送达|無法傳遞|未傳遞|无法传递|投递失败|邮件发送失败|配信不能|配信エラー|配送エラー|送信エラー|送信できません|配送不能|不達|返送|配信できません|エラーメール|не доставлен|недоставлен|не удается доставить|недоставк|не может быть доставлено|배달되지|배달 ?실패|반송|送达失败|未能送达|メールエラー|メール ?が? ?送信でき/i
const FORWARD = /^\s*(?:\[[^\]]{1,40}\]\s*)?(?:fwd?|fw|wg|tr|rv|enc|vb|doorst|i|vs|pd|转发|轉寄|转)\s*[:：]/i
const ANSWER = /^\s*(?:\[[^\]]{1,40}\]\s*)?(?:re|aw|antw|sv|回复|回覆|答复)\s*[:：]/i

type Sign = { readonly id: string; readonly weight: number; readonly holds: (clues: Clues) => boolean }

const at = (clues: Clues, name: string): string => clues.headers[name] ?? ''

const SIGNS: readonly Sign[] = [
  { id: 'status-groups', weight: 8, holds: (clues) => clues.groups > 0 },
  { id: 'report-type', weight: 4, holds: (clues) => clues.reportType === 'delivery-status' },
  { id: 'failed-recipients', weight: 5, holds: (clues) => at(clues, 'x-failed-recipients') !== '' },
  {
    id: 'ndr-field',
    weight: 4,
    holds: (clues) => clues.headers['x-ms-exchange-message-is-ndr'] !== undefined || clues.headers['x-ms-embedded-report'] !== undefined,
  },
  {
    id: 'null-sender',
    weight: 3,
    holds: (clues) => /^\s*<\s*>\s*$/.test(clues.headers['return-path'] ?? '') || /mailer-daemon/i.test(at(clues, 'return-path')),
  },
  { id: 'daemon-box', weight: 3, holds: isFromDaemon },
  { id: 'daemon-name', weight: 2, holds: (clues) => DAEMON_NAME.test(clues.from) },
  {
    id: 'subject',
    weight: 4,
    holds: (clues) => BOUNCE_SUBJECT.test(clues.subject.slice(0, 300)) || BOUNCE_SUBJECT_OTHER.test(clues.subject.slice(0, 300)),
  },
  { id: 'auto-submitted', weight: 1, holds: (clues) => /^\s*auto-(?:replied|generated)/i.test(at(clues, 'auto-submitted')) },
  { id: 'auto-failure', weight: 3, holds: (clues) => /\((?:failure|warning|delayed)/i.test(at(clues, 'auto-submitted')) },
  { id: 'writer-header', weight: 1, holds: (clues) => clues.byHeader > 0 },
  { id: 'writer-words', weight: 3, holds: (clues) => clues.knows > 0 },
  { id: 'sections', weight: 2, holds: (clues) => clues.sections > 0 },
  { id: 'failing-address', weight: 3, holds: (clues) => clues.rank >= 2 && clues.hasFailure },
  { id: 'returned', weight: 1, holds: (clues) => clues.hasReturned },
  { id: 'no-address', weight: -2, holds: isNameless },
  { id: 'no-address-and-a-reader', weight: -4, holds: (clues) => isNameless(clues) && !clues.hasReturned && hasReader(clues) },
  { id: 'session-notice', weight: -14, holds: (clues) => /\berrors from \S+\[/i.test(clues.subject) && !/\b354 /.test(clues.words) },
  {
    id: 'stranger',
    weight: -3,
    holds: (clues) =>
      clues.groups === 0 &&
      clues.rank < 3 &&
      at(clues, 'x-failed-recipients') === '' &&
      !isFromDaemon(clues) &&
      !DAEMON_NAME.test(clues.from),
  },
  { id: 'forwarded', weight: -9, holds: (clues) => FORWARD.test(clues.subject) && !isFromDaemon(clues) },
  {
    id: 'answered',
    weight: -5,
    holds: (clues) => ANSWER.test(clues.subject) && !isFromDaemon(clues) && !DAEMON_NAME.test(clues.from) && clues.groups === 0,
  },
  { id: 'person', weight: -5, holds: isFromPerson },
  {
    id: 'bulk',
    weight: -12,
    holds: (clues) =>
      (clues.groups === 0 || !/^multipart\/report/i.test(at(clues, 'content-type'))) &&
      (clues.headers['list-unsubscribe'] !== undefined || clues.headers['list-id'] !== undefined) &&
      at(clues, 'x-failed-recipients') === '',
  },
  { id: 'answer-subject', weight: -5, holds: (clues) => clues.groups === 0 && hasAnswerSubject(clues.subject) },
  { id: 'challenge', weight: -6, holds: (clues) => clues.groups === 0 && isChallenge(clues) },
]

/** A mailbox that only programs write from, or none at all. A name without its mailbox proves nothing where another mailbox stands. */
function isFromDaemon(clues: Clues): boolean {
  const box = /<([^<>]*@[^<>]*)>\s*$/.exec(clues.from.slice(-400))?.[1] ?? clues.from
  return DAEMON_BOX.test(box) || /^\s*(?:<\s*>)?\s*$/.test(clues.from)
}

/** Whether a report names nobody by itself. */
function isNameless(clues: Clues): boolean {
  return clues.groups === 0 && clues.rank === 0 && at(clues, 'x-failed-recipients') === ''
}

/** A Return-Path that somebody reads: reports have none. */
function hasReader(clues: Clues): boolean {
  const path = clues.headers['return-path'] ?? ''
  return path.includes('@') && !/mailer-?daemon|double-bounce/i.test(path)
}

/** A From that is no machine's, without a null sender behind it. */
function isFromPerson(clues: Clues): boolean {
  if (isFromDaemon(clues) || DAEMON_NAME.test(clues.from)) return false
  if (/^\s*<\s*>\s*$/.test(clues.headers['return-path'] ?? '')) return false
  return !/no-?reply|admin|system|notif|@sns\.|majordomo|listserv/i.test(clues.from) && clues.reportType !== 'delivery-status'
}

/** The sum of the signs that hold. */
export function weigh(clues: Clues): number {
  let sum = 0
  for (const sign of SIGNS) if (sign.holds(clues)) sum += sign.weight
  return sum
}
