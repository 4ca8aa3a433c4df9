/**
 * common-rules.test - replies of mail systems, classified by `common` and `standard` alone: the provider is unknown
 */
import { describe, expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { compileRuleTable, classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import { readRuleFolder, SHIPPED_RULES } from '../../src/config/rule-folder.ts'

const general = readRuleFolder(SHIPPED_RULES, 'shipped').filter((file) => file.provider === 'common' || file.provider === 'standard')
const table = compileRuleTable(general)

const english = [
  // Postfix
  ['550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown in local recipient table', 'not-exist'],
  ['550 5.1.1 <ann@example.com>: Recipient address rejected: example.com', 'not-exist'],
  ['450 4.1.1 <ann@example.com>: Recipient address rejected: unverified address: Address lookup failure', 'not-exist'],
  ['550 5.1.2 <ann@nowhere.example>: Recipient address rejected: Domain not found', 'domain-not-exist'],
  ['450 4.1.2 <ann@nowhere.example>: Recipient address rejected: Domain not found', 'domain-not-exist'],
  ['450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]', 'ip-blocked'],
  ['504 5.5.2 <mail>: Helo command rejected: need fully-qualified hostname', 'ip-blocked'],
  ['450 4.7.1 Client host rejected: Service currently unavailable', 'ip-blocked'],
  [
    '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.org; https://www.example.org/query/192.0.2.1',
    'ip-blocked',
  ],
  ['552 5.2.2 <ann@example.com>: Recipient address rejected: Mailbox quota exceeded', 'mailbox-full'],
  ['452 4.2.2 <ann@example.com>: Recipient address rejected: Quota exceeded (mailbox for user is full)', 'mailbox-full'],
  ['552 5.3.4 Error: message file too big', 'too-large'],
  ['554 5.7.1 <ann@example.com>: Relay access denied', 'policy'],
  ['530 5.7.0 Must issue a STARTTLS command first', 'policy'],
  ['421 4.7.0 mx.example.com Error: too many connections from 192.0.2.1', 'rate-limited'],
  ['450 4.7.1 Error: too much mail from 192.0.2.1', 'rate-limited'],
  ['421 4.4.2 mx.example.com Error: timeout exceeded', 'unreachable'],
  ['connect to mx.example.com[192.0.2.1]:25: No route to host', 'unreachable'],
  ['lost connection with mx.example.com[192.0.2.1] while sending RCPT TO', 'unreachable'],
  ['Host or domain name not found. Name service error for name=nowhere.example type=A: Host not found', 'domain-not-exist'],
  ['Host or domain name not found. Name service error for name=example.com type=MX: Host not found, try again', 'unreachable'],
  ['mail for example.com loops back to myself', 'server-error'],
  ['unknown user: "ann"', 'not-exist'],
  ['Domain example.com does not accept mail (nullMX)', 'domain-not-exist'],
  ['cannot update mailbox /var/mail/ann for user ann. error writing message: Disk quota exceeded', 'mailbox-full'],
  ['454 4.7.1 <ann@example.com>: Relay access denied', 'policy'],
  // Sendmail
  ['550 5.1.1 <ann@example.com>... User unknown', 'not-exist'],
  ['553 5.1.8 <a@shop.example>... Domain of sender address a@shop.example does not exist', 'domain-blocked'],
  ['550 5.7.1 <ann@example.com>... Relaying denied. Proper authentication required.', 'policy'],
  ['550 5.1.2 <ann@nowhere.example>... Host unknown (Name server: nowhere.example: host not found)', 'domain-not-exist'],
  ['452 4.4.5 Insufficient disk space; try again later', 'server-error'],
  ['421 4.3.2 Connection rate limit exceeded.', 'rate-limited'],
  ['552 5.2.3 Message size exceeds fixed maximum message size (10485760)', 'too-large'],
  ['553 5.3.5 host.example.com. config error: mail loops back to me (MX problem?)', 'server-error'],
  ['554 5.4.6 Too many hops 26 (25 max)', 'server-error'],
  // Exim
  ['550 Unrouteable address', 'not-exist'],
  ['550 Sender verify failed', 'policy'],
  ['550-Verification failed for <a@shop.example> 550 Sender verify failed', 'policy'],
  ['retry timeout exceeded', 'expired'],
  ['all relevant MX records point to non-existent hosts', 'domain-not-exist'],
  ['an MX or SRV record indicated no SMTP service', 'domain-not-exist'],
  ['550 relay not permitted', 'policy'],
  ['550 Administrative prohibition', 'policy'],
  ['Too many "Received" headers - suspected mail loop', 'server-error'],
  ['retry time not reached for any host after a long failure period', 'expired'],
  ['mailbox is full (quota exceeded while writing to file /home/ann/Maildir)', 'mailbox-full'],
  // qmail
  ['Sorry, no mailbox here by that name. (#5.1.1)', 'not-exist'],
  ["Sorry, I couldn't find any host named nowhere.example. (#5.1.2)", 'domain-not-exist'],
  [
    "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1) I'm not going to try again; this message has been in the queue too long.",
    'unreachable',
  ],
  ["553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", 'policy'],
  ['552 sorry, that message size exceeds my databytes limit (#5.3.4)', 'too-large'],
  ["Recipient's mailbox is full, message returned to sender. (#5.2.2)", 'mailbox-full'],
  ['User ann over quota.', 'mailbox-full'],
  ['The users mailfolder is over the allowed quota (size). (#5.2.2)', 'mailbox-full'],
  // Exchange, Domino, Lotus, others
  ['550 5.1.1 User unknown', 'not-exist'],
  ['550 5.7.1 Unable to relay for ann@example.com', 'policy'],
  ['550 5.2.1 Mailbox disabled for this recipient', 'mailbox-disabled'],
  ['550 5.7.1 Recipient not authorized, your IP has been found on a block list', 'ip-blocked'],
  ['554 5.2.2 mailbox full', 'mailbox-full'],
  ['550 5.4.6 Hop count exceeded - possible mail loop', 'server-error'],
  ['User ann (ann@example.com) not listed in Domino Directory', 'not-exist'],
  ['550 ann@example.com... No such user', 'not-exist'],
  ['554 5.7.1 Message cannot be delivered: blocked by DMARC policy of example.org', 'auth-failure'],
  ['554 Transaction failed: spam message rejected by filter', 'spam'],
  // gateways
  ['554 5.7.1 Blocked by Barracuda Reputation; http://www.barracudacentral.org/reputation?ip=192.0.2.1', 'ip-blocked'],
  ['550 Invalid Recipient - https://community.example.com/docs/DOC-1369#550', 'not-exist'],
  ['554 Email rejected due to security policies', 'policy'],
  ['550 Rejected by header based manually blocked senders', 'policy'],
  ['421 5.7.1 Connection refused - 192.0.2.1 is listed at bl.example.net', 'ip-blocked'],
  ['550 #5.7.1 Your access to submit messages to this e-mail system has been rejected.', 'policy'],
  ['554 Denied (Mode: normal)', 'policy'],
  ['550 5.7.1 SPF unauthorized mail is prohibited.', 'auth-failure'],
  ['550 5.7.23 SPF validation failed', 'auth-failure'],
  ['451 4.7.1 Greylisting in action, please come back in 00:05:00', 'greylisted'],
  ['450 4.2.0 <ann@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example/help/example.com.html', 'greylisted'],
  ['554 5.6.1 Eight bit data not allowed', 'policy'],
  ['550 5.7.1 Message contains spam or virus or sender is blocked', 'spam'],
  ['554 5.7.1 Message scored too high on spam scale', 'spam'],
  ['550 permanent failure for one or more recipients (ann@example.com:blocked)', 'ip-blocked'],
  ['550 5.1.1 sorry, no mailbox here by that name (#5.1.1 - chkuser)', 'not-exist'],
  ['511 sorry, no mailbox here by that name (#5.1.1 - chkuser)', 'not-exist'],
  ['550 Mailbox unavailable', 'not-exist'],
  ['550 Account disabled', 'mailbox-disabled'],
  ['550 5.2.1 This mailbox has been blocked due to inactivity', 'mailbox-disabled'],
  ['554 Recipient address rejected: Mailbox inactive', 'mailbox-disabled'],
  ['501 5.1.3 Invalid address', 'format-error'],
  ['550 Requested action aborted: local error in processing', 'server-error'],
  ['451 Temporary local problem - please try later', 'server-error'],
  ['432 4.7.12 A password transition is needed', 'policy'],
  ['550 5.1.10 Null MX', 'domain-not-exist'],
  ['550 You can only send to internal recipients only', 'recipient-refused'],
  ['550 5.7.1 You are not allowed to post to this mailing list', 'recipient-refused'],
  ['554 5.7.1 You have been blocked by the recipient', 'recipient-refused'],
  ['450 4.2.1 The user is receiving mail too quickly: recipient frequency limit', 'recipient-refused'],
] as const

const world = [
  ['552 Das Postfach des Empfängers ist voll', 'mailbox-full'],
  ['550 Der Empfänger ann@example.com existiert nicht', 'not-exist'],
  ['550 Empfänger unbekannt', 'not-exist'],
  ['550 Die Domain nowhere.example wurde nicht gefunden: Domain nicht gefunden', 'domain-not-exist'],
  ['La boîte aux lettres du destinataire est pleine', 'mailbox-full'],
  ["L'adresse de messagerie que vous avez entrée est introuvable", 'not-exist'],
  ['550 Utilisateur inconnu', 'not-exist'],
  ['El buzón del destinatario está lleno y no puede aceptar mensajes', 'mailbox-full'],
  ['No se encontró la dirección de correo electrónico que escribió', 'not-exist'],
  ['550 usuario no existe', 'not-exist'],
  ['A caixa de correio do destinatário está cheia', 'mailbox-full'],
  ['O endereço de email que você digitou não foi encontrado', 'not-exist'],
  ['550 Usuário inexistente', 'not-exist'],
  ['La casella di posta del destinatario è piena', 'mailbox-full'],
  ['550 utente sconosciuto', 'not-exist'],
  ['Het postvak van de geadresseerde is vol', 'mailbox-full'],
  ['Skrzynka pocztowa adresata jest pełna', 'mailbox-full'],
  ['Alıcının posta kutusu dolu', 'mailbox-full'],
  ['Mottagarens postlåda är full', 'mailbox-full'],
  ['Modtagerens postkasse er fuld', 'mailbox-full'],
  ['Mottakerens postboks er full', 'mailbox-full'],
  ['Vastaanottajan postilaatikko on täynnä', 'mailbox-full'],
  ['Gavėjo pašto dėžutė pilna', 'mailbox-full'],
  ['Saņēmēja pastkaste ir pilna', 'mailbox-full'],
  ['Adressaadi postkast on täis', 'mailbox-full'],
  ['550 Почтовый ящик не существует', 'not-exist'],
  ['Почтовый ящик получателя переполнен', 'mailbox-full'],
  ['550 收件人邮箱不存在', 'not-exist'],
  ['552 对方邮箱空间已满', 'mailbox-full'],
  ['550 该邮件被判定为垃圾邮件', 'spam'],
  ['550 发信频率过快，请稍后再试', 'rate-limited'],
  ['550 域名不存在', 'domain-not-exist'],
  ['550 收件者不存在', 'not-exist'],
  ['550 宛先のメールアドレスは存在しません', 'not-exist'],
  ['552 受信者のメールボックスがいっぱいです', 'mailbox-full'],
  ['550 受信拒否設定により拒否されました', 'recipient-refused'],
  ['550 사용자가 존재하지 않습니다', 'not-exist'],
] as const

describe('common', () => {
  test.each(english)('%s', (text, reason) => {
    const verdict = classify(table, classifierInputOfText(text))
    expect([verdict.reason, verdict.rule]).toEqual([reason, verdict.rule])
  })

  test.each(world)('%s', (text, reason) => {
    const verdict = classify(table, classifierInputOfText(text))
    expect([verdict.reason, verdict.rule]).toEqual([reason, verdict.rule])
  })
})
