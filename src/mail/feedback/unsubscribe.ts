/**
 * unsubscribe - recognises requests to unsubscribe (mailto form of RFC 2369)
 *
 * Mail clients send an almost empty message with the subject and body of the List-Unsubscribe field.
 *
 * Pure, total. See also: mail/report-parser.
 */

const UNSUBSCRIBE_COMMAND =
  /^\s*(?:re:\s*)?["'“[(<]*(?:unsubscribe|un-subscribe|unsub|please unsubscribe(?: me)?|remove(?: me)?|opt-?out|stop|list-unsubscribe|cancel(?:l?ation of)? subscription|abmelden|abbestellen|austragen|désabonner|desabonnement|désinscription|désinscrire|darse de baja|dar de baja|baja|cancelar (?:suscripción|inscrição|assinatura)|descadastrar|disiscriviti|cancellami|uitschrijven|afmelden|avregistrera|afmeld|avmeld|отписаться|отписка|odhlásit|wypisz|退订|退訂|取消订阅|取消訂閱|配信停止|購読解除|登録解除|수신거부|구독 취소|abonelikten çık)(?![\p{L}])/iu

/** Longer messages write about unsubscribing. */
const MAX_BODY = 600
const MAX_SUBJECT = 200

/** Whether a message asks to unsubscribe. `to`: its recipients; their local parts are evidence. Total. */
export function isUnsubscribeRequest(message: {
  headers: Readonly<Record<string, string>>
  subject: string
  bodyText: string
  to: readonly string[]
}): boolean {
  if (message.headers['x-apple-unsubscribe'] !== undefined) return true
  const body = message.bodyText.trim()
  // Newsletters have the field themselves.
  if (message.headers['list-unsubscribe'] !== undefined || body.length > MAX_BODY) return false
  const subject = message.subject.trim()
  if (subject.length > MAX_SUBJECT) return false
  if (UNSUBSCRIBE_COMMAND.test(subject)) return true
  const isUnsubscribeAddress = message.to.some((address) =>
    /^(?:unsub|unsubscribe|opt-?out|leave|remove|list-unsubscribe)[^@]*@|[-+_.](?:unsub|unsubscribe|optout|leave)[^@]*@/i.test(address),
  )
  return (
    (isUnsubscribeAddress && (body.length < 100 || UNSUBSCRIBE_COMMAND.test(body))) ||
    (body.length < 100 && UNSUBSCRIBE_COMMAND.test(body) && (subject === '' || /^(?:re|aw|sv)\s*:/i.test(subject)))
  )
}
