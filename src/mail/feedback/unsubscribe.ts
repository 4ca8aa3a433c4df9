/**
 * unsubscribe - a mail that asks to be taken off (RFC 2369 mailto, RFC 8058's older brother)
 *
 * Mail programs send an almost empty mail with the subject and body that List-Unsubscribe gave them. Pure, total.
 * See also: mail/report.
 */

const ORDER =
  /^\s*(?:re:\s*)?["'“[(<]*(?:unsubscribe|un-subscribe|unsub|please unsubscribe(?: me)?|remove(?: me)?|opt-?out|stop|list-unsubscribe|cancel(?:l?ation of)? subscription|abmelden|abbestellen|austragen|désabonner|desabonnement|désinscription|désinscrire|darse de baja|dar de baja|baja|cancelar (?:suscripción|inscrição|assinatura)|descadastrar|disiscriviti|cancellami|uitschrijven|afmelden|avregistrera|afmeld|avmeld|отписаться|отписка|odhlásit|wypisz|退订|退訂|取消订阅|取消訂閱|配信停止|購読解除|登録解除|수신거부|구독 취소|abonelikten çık)(?![\p{L}])/iu

/** Longer mails speak about unsubscribing. */
const MAX_BODY = 600
const MAX_SUBJECT = 200

/** Whether a mail asks to be taken off a list. `recipients`: the local parts it was sent to tell a lot. */
export function isUnsubscribe(mail: {
  headers: Readonly<Record<string, string>>
  subject: string
  words: string
  to: readonly string[]
}): boolean {
  if (mail.headers['x-apple-unsubscribe'] !== undefined) return true
  const body = mail.words.trim()
  // A newsletter that invites to unsubscribe bears the field itself.
  if (mail.headers['list-unsubscribe'] !== undefined || body.length > MAX_BODY) return false
  const subject = mail.subject.trim()
  if (subject.length > MAX_SUBJECT) return false
  if (ORDER.test(subject)) return true
  const isDoor = mail.to.some((address) =>
    /^(?:unsub|unsubscribe|opt-?out|leave|remove|list-unsubscribe)[^@]*@|[-+_.](?:unsub|unsubscribe|optout|leave)[^@]*@/i.test(address),
  )
  return (
    (isDoor && (body.length < 100 || ORDER.test(body))) ||
    (body.length < 100 && ORDER.test(body) && (subject === '' || /^(?:re|aw|sv)\s*:/i.test(subject)))
  )
}
