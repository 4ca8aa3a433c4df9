/**
 * words.test - replies are judged by their words: words outrank generic codes, and one word is not mistaken for another meaning
 */
import { describe, expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import type { Verdict } from '../../src/classify/verdict.ts'
import { loadRules } from '../../src/config/rule-files.ts'

const table = loadRules()

/** A row: the MX of the recipient or '', the reply, the reasons that are right, and the permanence ('' if either is right). */
type Row = readonly [mx: string, reply: string, reasons: string, permanence: '' | 'permanent' | 'temporary']

const judge = (mx: string, reply: string): Verdict =>
  classify(table, classifierInputOfText(reply, mx === '' ? [] : [{ source: 'delivery-mx', value: mx }]))

const groups: Readonly<Record<string, readonly Row[]>> = {
  'the words behind the mark of a provider': [
    [
      'd1.ess.barracudanetworks.com',
      '550 cuda_nsu 5.7.1 <ann@example.com>: Recipient address rejected: Abuse of policy',
      'policy',
      'permanent',
    ],
    ['d1.ess.barracudanetworks.com', '451 cuda_nsu 4.3.0 Temporary failure, try again later', 'server-error|greylisted', 'temporary'],
    [
      'd1.ess.barracudanetworks.com',
      '550 cuda_nsu 5.1.1 <ann@example.com>: Recipient address rejected: no such user',
      'not-exist',
      'permanent',
    ],
    ['mx1.free.fr', '552 5.2.2 quota of the mailbox exceeded (UserSearch)', 'mailbox-full', 'temporary'],
    ['mx1.free.fr', '451 4.7.1 greylisted (UserSearch)', 'greylisted', 'temporary'],
    ['eu.mimecast.com', '550 5.7.1 <ann@example.com>: Recipient address rejected: Rejected as spam', 'spam', 'permanent'],
    ['eu.mimecast.com', '550 5.7.1 <ann@example.com>: Recipient address rejected: Access denied', 'policy', 'permanent'],
    ['eu.mimecast.com', '450 4.7.1 <ann@example.com>: Recipient address rejected: rate limit exceeded', 'rate-limited', 'temporary'],
    ['lsean.ezweb.ne.jp', '452 4.2.2 <ann@ezweb.ne.jp>: Recipient address rejected: over quota', 'mailbox-full', 'temporary'],
    ['mx1.btinternet.com', '550 5.7.1 <ann@btinternet.com> recipient rejected: SPF check failed', 'auth-failure', 'temporary'],
    ['mx1.mxhichina.com', '550 5.7.1 <ann@example.com>: Recipient address rejected: Policy violation', 'policy', 'permanent'],
    [
      'mx00.gmx.net',
      '550-Requested action not taken: mailbox unavailable 550-Sender address is on a block list.',
      'domain-blocked',
      'temporary',
    ],
    ['mx00.gmx.net', '550-Requested action not taken: mailbox unavailable 550-Quota exceeded.', 'mailbox-full', 'temporary'],
    ['mx.zoho.com', '550 5.1.1 <ann@example.com> policy error', 'policy', 'permanent'],
  ],

  'clear words outrank a generic code': [
    ['', '554 5.7.1 Your letter was taken for spam', 'spam', 'permanent'],
    ['', '550 5.7.0 Not delivered: spam', 'spam', 'permanent'],
    ['', '550 5.7.1 There is no mailbox of that name', 'not-exist', 'permanent'],
    ['', '550 5.7.1 <ann@example.com>: user unknown', 'not-exist', 'permanent'],
    ['', '550 No mail box for this user', 'not-exist', 'permanent'],
    ['', '550 5.7.1 <ann@example.com>: Recipient address rejected: Access denied', 'policy', 'permanent'],
    ['', '554 5.7.1 <ann@example.com>: Recipient address rejected: not in recipient list', 'not-exist', 'permanent'],
    ['', '554 5.7.1 <ann@example.com>: Recipient address rejected: Invalid-Recipient', 'not-exist', 'permanent'],
    ['', '550 5.1.1 Bad destination mailbox address', 'not-exist', 'permanent'],
    ['', '553 5.1.3 Bad destination mailbox address syntax', 'format-error', 'permanent'],
    ['', '450 4.1.1 <ann@example.com>: try again in an hour', 'server-error|greylisted', 'temporary'],
    ['', '451 4.2.1 come back later', 'server-error|greylisted', 'temporary'],
    ['', '553 5.7.3 CONTENT REJECTD', 'spam', 'permanent'],
  ],

  'whose quota, and how many messages where': [
    ['', '452 4.2.2 the sender exceeded his message quota for today', 'rate-limited', 'temporary'],
    ['', '550 5.7.1 sender <a@example.org> is over his sending quota', 'rate-limited', 'temporary'],
    ['', '552 Mail quota exceeded', 'mailbox-full', 'temporary'],
    ['', '550 Too many messages in the mailbox of this user', 'mailbox-full', 'temporary'],
    ['', '550 Zu viele Nachrichten im Postfach', 'mailbox-full', 'temporary'],
    ['', '550 The recipient has too much mail stored on our side', 'mailbox-full', 'temporary'],
    ['', '452 4.1.1 too many new messages, try again later', 'rate-limited', 'temporary'],
    [
      'gmail-smtp-in.l.google.com',
      '421 4.7.28 Gmail has detected that this sender exceeded the quota for sending messages',
      'rate-limited',
      'temporary',
    ],
  ],

  'what is listed or blocked': [
    ['', '550 5.7.1 Blocked using spam patterns', 'spam', 'permanent'],
    ['', '553 5.7.0 Blocked using content filter', 'spam', 'permanent'],
    ['', '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example.org', 'ip-blocked', 'temporary'],
    ['', '550 5.7.1 A link in this message is on a URL block list: URL listed', 'spam', 'permanent'],
    ['', '550 5.7.1 Message contains a URL that is on a block list', 'spam', 'permanent'],
    ['', '554 5.7.1 Sender domain example.org is listed in SURBL', 'domain-blocked', 'temporary'],
    [
      'hotmail-com.olc.protection.outlook.com',
      '550 5.7.1 Service unavailable, MailFrom domain is listed in Spamhaus (S8002)',
      'domain-blocked',
      'temporary',
    ],
    [
      'hotmail-com.olc.protection.outlook.com',
      '550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus (S3140)',
      'ip-blocked',
      'temporary',
    ],
    ['mta5.am0.yahoodns.net', '554 Message not allowed - Headers are not RFC compliant[290]', 'policy', 'permanent'],
    ['mta5.am0.yahoodns.net', '554 Message not allowed - SPF check failed', 'auth-failure', 'temporary'],
    ['mta5.am0.yahoodns.net', '451 Message temporarily deferred - [250]', 'greylisted', 'temporary'],
    ['example-com.mail.protection.outlook.com', '550 5.7.505 Access denied, banned recipient', 'recipient-refused', 'permanent'],
    ['mx01.mail.icloud.com', '554 5.7.1 <ann@icloud.com>: Relay access denied', 'policy', 'permanent'],
    ['mx01.mail.icloud.com', '554 5.7.1 <mail.example.com[192.0.2.1]>: Client host rejected: Access denied', 'ip-blocked', 'temporary'],
    ['', '550 Refused: you are on the reject list of this user (user reject list)', 'recipient-refused', 'permanent'],
    [
      '',
      '550 5.1.1 The group you tried to contact (team) may not exist, or you may not have permission to post messages to it',
      'recipient-refused',
      'permanent',
    ],
    [
      'aspmx.l.google.com',
      '550 5.7.1 The group news may not exist, or you may not have permission to post to it',
      'recipient-refused',
      'permanent',
    ],
  ],

  'whose address is unknown': [
    ['', '550 5.1.1 <sender@example.com>: user unknown', 'not-exist', 'permanent'],
    ['', '550 5.1.1 <callback@example.com>: user unknown', 'not-exist', 'permanent'],
    ['', '550 5.1.1 <spam@example.com>: no such user', 'not-exist', 'permanent'],
    ['', '550 5.1.1 No such user. Please verify the address', 'not-exist', 'permanent'],
    ['', '550 <ann@example.com>: recipient verification failed', 'not-exist', 'permanent'],
    ['', '450 4.1.1 recipient verification failed, try again later', 'server-error|greylisted', 'temporary'],
    ['', '550 5.1.1 SMTP callback to <a@example.org> said: 550 user unknown', 'policy', 'permanent'],
    ['', '550 5.1.1 The bounce address <a@example.org> does not exist', 'policy', 'permanent'],
    ['', '550 5.1.1 Forwarding to <other@example.net> failed: user unknown', 'policy', 'permanent'],
    ['', '550 5.1.1 unknown user, or the message was rejected as spam', 'other', 'permanent'],
    ['', '550 5.1.1 no such user or access denied', 'other', 'permanent'],
    ['', '550 5.1.1 mailbox not found or over quota', 'mailbox-full|other', ''],
  ],
  'the sender, in other languages, beside a code that speaks of the recipient': [
    ['', '550 5.1.1 Remetente não existe', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 Nadawca nie istnieje', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 Gönderen adresi geçersiz', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 Afzender bestaat niet', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 Mittente inesistente', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 Odesílatel neexistuje', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 발신자를 찾을 수 없습니다', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 发件人不存在', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 Absender unbekannt', 'policy|domain-blocked', ''],
    ['', '550 5.1.1 Expéditeur inconnu', 'policy|domain-blocked', ''],
  ],
  'faults of a server, and what names nobody': [
    ['', '451 trouble in the home directory of this user', 'server-error', 'temporary'],
    ['', '421 4.7.0 Connection expired', 'server-error', 'temporary'],
    ['', '454 Encryption failed, retry later', 'server-error|policy', 'temporary'],
    ['', '422 License has expired', 'server-error', 'temporary'],
    ['', '550 This is a forged sender', 'policy|domain-blocked|auth-failure', ''],
    ['', '554 No Date header field', 'policy', 'permanent'],
    ['', '[mx.example.com]: Name or service not known', 'domain-not-exist|unreachable', ''],
    ['', 'getaddrinfo: No address associated with hostname', 'domain-not-exist|unreachable', ''],
    ['', 'Reason 1 (Unable-To-Transfer); Diagnostic -1 (Unknown)', 'other|unreachable', ''],
    ['', '550 <ann@example.com> is unknown here', 'not-exist', 'permanent'],
  ],

  'other languages': [
    // Portuguese
    ['', '550 Mensagem rejeitada: considerada spam', 'spam', 'permanent'],
    ['', '550 Mensagem rejeitada por política de segurança', 'policy', 'permanent'],
    ['', '550 Destinatário desconhecido', 'not-exist', 'permanent'],
    ['', '552 Caixa postal cheia', 'mailbox-full', 'temporary'],
    ['', '550 Conta desabilitada', 'mailbox-disabled', 'permanent'],
    ['', '450 Limite de envio excedido', 'rate-limited', 'temporary'],
    // Polish
    ['', '550 Wiadomość odrzucona jako spam', 'spam', 'permanent'],
    ['', '550 Wiadomość odrzucona: naruszenie zasad bezpieczeństwa', 'policy', 'permanent'],
    ['', '550 Nie ma takiego konta', 'not-exist', 'permanent'],
    ['', '552 Skrzynka odbiorcy przepełniona', 'mailbox-full', 'temporary'],
    ['', '550 Konto zostało zablokowane', 'mailbox-disabled', 'permanent'],
    ['', '450 Zbyt wiele wiadomości', 'rate-limited', 'temporary'],
    // Korean
    ['', '550 스팸 메일로 차단되었습니다', 'spam', 'permanent'],
    ['', '550 보안 정책에 의해 거부되었습니다', 'policy', 'permanent'],
    ['', '550 존재하지 않는 사용자입니다', 'not-exist', 'permanent'],
    ['', '552 받는 사람의 메일함이 가득 찼습니다', 'mailbox-full', 'temporary'],
    ['', '550 휴면 계정입니다', 'mailbox-disabled', 'permanent'],
    ['', '450 발송 한도를 초과했습니다', 'rate-limited', 'temporary'],
    // Turkish
    ['', '550 İleti spam olarak algılandı', 'spam', 'permanent'],
    ['', '550 Güvenlik politikası nedeniyle reddedildi', 'policy', 'permanent'],
    ['', '550 Böyle bir kullanıcı yok', 'not-exist', 'permanent'],
    ['', '552 Posta kutusu dolu', 'mailbox-full', 'temporary'],
    ['', '550 Hesap devre dışı bırakılmış', 'mailbox-disabled', 'permanent'],
    ['', '450 Çok fazla ileti gönderildi', 'rate-limited', 'temporary'],
    // Dutch
    ['', '550 Bericht geweigerd: herkend als spam', 'spam', 'permanent'],
    ['', '550 Bericht geweigerd wegens beleid', 'policy', 'permanent'],
    ['', '550 Deze gebruiker bestaat niet', 'not-exist', 'permanent'],
    ['', '552 De mailbox is vol', 'mailbox-full', 'temporary'],
    ['', '550 Het account is geblokkeerd', 'mailbox-disabled', 'permanent'],
    ['', '450 Te veel berichten, probeer het later opnieuw', 'rate-limited', 'temporary'],
    // Italian
    ['', '550 Messaggio rifiutato perché ritenuto spam', 'spam', 'permanent'],
    ['', '550 Messaggio respinto per motivi di sicurezza', 'policy', 'permanent'],
    ['', '550 Casella inesistente', 'not-exist', 'permanent'],
    ['', '552 Casella di posta piena', 'mailbox-full', 'temporary'],
    ['', '550 Account sospeso', 'mailbox-disabled', 'permanent'],
    ['', '450 Limite di invio superato', 'rate-limited', 'temporary'],
    // Czech
    ['', '550 Zpráva odmítnuta jako spam', 'spam', 'permanent'],
    ['', '550 Zpráva odmítnuta: porušení zásad', 'policy', 'permanent'],
    ['', '550 Uživatel neexistuje', 'not-exist', 'permanent'],
    ['', '552 Schránka příjemce je plná', 'mailbox-full', 'temporary'],
    ['', '550 Účet je zablokován', 'mailbox-disabled', 'permanent'],
    ['', '450 Příliš mnoho zpráv', 'rate-limited', 'temporary'],
    // The sender in these languages is not the recipient.
    ['', '550 5.1.1 Nadawca nieznany: nie ma takiego użytkownika', 'policy|domain-blocked', ''],
    ['', '550 Remetente desconhecido', 'policy|domain-blocked', ''],
    ['', '550 Mittente sconosciuto', 'policy|domain-blocked', ''],
    ['', '550 Afzender onbekend', 'policy|domain-blocked', ''],
    ['', '550 Neznámý odesílatel', 'policy|domain-blocked', ''],
    ['', '550 Gönderen bulunamadı', 'policy|domain-blocked', ''],
  ],
}

describe.each(Object.entries(groups))('%s', (_, rows) => {
  test.each(rows)('%s %s is %s', (mx, reply, reasons, permanence) => {
    const verdict = judge(mx, reply)
    expect(reasons.split('|')).toContain(verdict.reason)
    expect(permanence === '' ? ['permanent', 'temporary'] : [permanence]).toContain(verdict.permanence)
  })
})
