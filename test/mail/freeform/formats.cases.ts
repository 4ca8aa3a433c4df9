/**
 * formats.cases - bounces in the layouts of many programs, and messages that only resemble bounces
 *
 * A row is name, message, expected result: the kind, then address, reply code and status of each recipient.
 */
import { NULL_SENDER, RETURNED } from '../messages.ts'
import type { TestMessage } from '../messages.ts'

type Case = readonly [name: string, mail: TestMessage, want: string]

const DSN = `Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; user@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown`
const PERSON = 'Anna Smith <anna@example.org>'
const PERSONAL_PATH = 'Return-Path: <anna@example.org>'

export const BOUNCES: readonly Case[] = [
  [
    'qmail with two',
    {
      from: 'MAILER-DAEMON@mx.example.net',
      subject: 'failure notice',
      fields: [NULL_SENDER],
      body: `Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<user@example.org>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 No such user here
Giving up on 192.0.2.7.

<other@example.test>:
Sorry, I couldn't find any host named example.test. (#5.1.2)

--- Below this line is a copy of the message.

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.1.1 | other@example.test - 5.1.2',
  ],
  [
    's/qmail with local user',
    {
      from: 'MAILER-DAEMON@mx.example.net',
      subject: 'failure notice',
      fields: [NULL_SENDER],
      body: `Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<user@example.org>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

${RETURNED}`,
    },
    'bounce | user@example.org - 5.1.1',
  ],
  [
    'exim with a parent',
    {
      from: 'Mail Delivery System <Mailer-Daemon@mx.example.net>',
      subject: 'Mail delivery failed: returning message to sender',
      fields: [NULL_SENDER, 'Auto-Submitted: auto-replied', 'X-Failed-Recipients: user@example.org'],
      body: `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  user@example.org
    (generated from alias@example.net)
    host mx.example.org [192.0.2.9]
    SMTP error from remote mail server after RCPT TO:<user@example.org>:
    452 4.2.2 Mailbox over quota:
    retry timeout exceeded

------ This is a copy of the message, including all the headers. ------

${RETURNED}`,
    },
    'bounce | user@example.org 452 4.2.2',
  ],
  [
    'exim warning',
    {
      from: 'Mail Delivery System <Mailer-Daemon@mx.example.net>',
      subject: 'Warning: message 1abcde-000001-2F delayed 24 hours',
      fields: [NULL_SENDER, 'Auto-Submitted: auto-replied'],
      body: `This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.example.net.

The message identifier is:     1abcde-000001-2F
The subject of the message is: Your order
The date of the message is:    Tue, 1 Apr 2025 07:59:00 +0000

The address to which the message has not yet been delivered is:

  user@example.org
    host mx.example.org [192.0.2.9]
    Delay reason: Connection timed out

No action is required on your part. Delivery attempts will continue for
some time, and this warning may be repeated at intervals if the message
remains undelivered. Eventually the mail delivery software will give up,
and when that happens, the message will be returned to you.`,
    },
    'delay | user@example.org - -',
  ],
  [
    'sendmail transcript',
    {
      from: 'Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>',
      subject: 'Returned mail: see transcript for details',
      fields: [NULL_SENDER, 'Auto-Submitted: auto-generated (failure)'],
      body: `The original message was received at Tue, 1 Apr 2025 08:00:00 GMT
from app.example.com [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<user@example.org>
    (reason: 550 5.7.26 Unauthenticated mail is not accepted)
<other@example.test>
    (reason: 550 5.1.1 User unknown)

   ----- Transcript of session follows -----
... while talking to mx.example.org.:
>>> DATA
<<< 550 5.7.26 Unauthenticated mail is not accepted
550 5.1.1 <user@example.org>... User unknown
<<< 503 5.5.1 No recipients

   ----- Original message follows -----

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.7.26 | other@example.test 550 5.1.1',
  ],
  [
    'postfix without MIME',
    {
      from: 'MAILER-DAEMON@mx.example.net (Mail Delivery System)',
      subject: 'Undelivered Mail Returned to Sender',
      fields: ['Auto-Submitted: auto-replied'],
      body: `This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to postmaster.

If you do so, please include this problem report. You can
delete your own text from the attached returned message.

                   The mail system

<user@example.org>: host mx.example.org[192.0.2.9] said: 550 5.1.1
    <user@example.org>: Recipient address rejected: User unknown in virtual
    mailbox table (in reply to RCPT TO command)

<other@example.test>: Host or domain name not found. Name service error for
    name=example.test type=AAAA: Host not found`,
    },
    'bounce | user@example.org 550 5.1.1 | other@example.test - -',
  ],
  [
    'status fields without MIME',
    {
      from: 'MAILER-DAEMON@mx.example.net',
      subject: 'Undeliverable',
      fields: [NULL_SENDER],
      body: `Your message was not delivered.

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; user@example.org
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 Mailbox full`,
    },
    'bounce | user@example.org 552 5.2.2',
  ],
  [
    'exchange 365 german',
    {
      from: 'Microsoft Outlook <postmaster@example.org>',
      subject: 'Unzustellbar: Ihre Bestellung',
      fields: [NULL_SENDER],
      body: `Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Gruppen:

user@example.org<mailto:user@example.org>
Die eingegebene E-Mail-Adresse konnte nicht gefunden werden.

Diagnoseinformationen für Administratoren:

Generierender Server: AB1PR01.prod.outlook.com

user@example.org
Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup'

Ursprüngliche Nachrichtenkopfzeilen:

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.1.10',
  ],
  [
    'exchange 2007 french html',
    {
      from: 'postmaster@example.org',
      subject: 'Non remis : Votre commande',
      fields: [NULL_SENDER, 'Content-Type: text/html; charset=utf-8'],
      body: `<html><body><p><b>Échec de la remise pour ces destinataires ou listes de distribution :</b></p><p><a href="mailto:user@example.org">user@example.org</a><br>La boîte aux lettres du destinataire est pleine.</p><p>Informations de diagnostic pour les administrateurs :</p><p>Serveur de génération : ex.example.org</p><p>user@example.org<br>#550 5.2.2 STOREDRV.Deliver: mailbox full. The following information should help identify the cause of this error: "MapiExceptionShutoffQuotaExceeded:16.18969:BB000000". ##</p></body></html>`,
    },
    'bounce | user@example.org 550 5.2.2',
  ],
  [
    'exchange 2003 in spanish',
    {
      from: 'postmaster@example.org',
      subject: 'No se puede entregar: Su pedido',
      fields: [NULL_SENDER],
      body: `Su mensaje

  Para:      user@example.org
  Asunto: Su pedido
  Enviado el:    Tue, 1 Apr 2025 08:00:00 +0000

no llegó a los siguientes destinatarios:

user@example.org el Tue, 1 Apr 2025 08:00:10 +0000
    No se encuentra la cuenta de correo electrónico en la organización.
    < example.org #5.1.1>`,
    },
    'bounce | user@example.org - 5.1.1',
  ],
  [
    'domino german',
    {
      from: 'MAILER-DAEMON@example.org',
      subject: 'DELIVERY FAILURE: User user (user@example.org) not listed in Domino Directory',
      fields: [NULL_SENDER],
      body: `Your message

  Subject: Your order

was not delivered to:

  user@example.org

because:

  User user (user@example.org) not listed in Domino Directory`,
    },
    'bounce | user@example.org - -',
  ],
  [
    'mdaemon',
    {
      from: 'MDaemon at mail.example.org <MDaemon@mail.example.org>',
      subject: 'MDaemon Notification -- Attachment Removed / Permanent Delivery Failure',
      fields: [NULL_SENDER, 'X-MDDSN-Message: Yes'],
      body: `The following data may contain sections which represent BASE64 encoded
file attachments.

The attached message had PERMANENT fatal delivery errors!

After one or more unsuccessful delivery attempts the attached message has
been removed from the mail queue on this server.

FAILED ADDRESS(es) - (USER): user@example.org

--- Session Transcript ---
 Tue 2025-04-01 08:00:00: --> RCPT To:<user@example.org>
 Tue 2025-04-01 08:00:01: <-- 550 5.1.1 user@example.org, recipient unknown
 Tue 2025-04-01 08:00:01: --> QUIT
--- End Transcript ---

: Message contains [1] file attachments`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'qq',
    {
      from: 'PostMaster@qq.com',
      subject: '系统退信/Systems bounce',
      fields: [NULL_SENDER],
      body: `抱歉，您的邮件被退回来了……

原邮件信息：
时间： 2025-04-01 16:00:00
主题： 您的订单
收件人： user@example.org

退信原因：
收件人邮件地址（user@example.org）不存在，邮件无法送达。
host mx.example.org[192.0.2.9] said: 550 5.1.1 User unknown (in reply to RCPT TO command)

建议解决方案：
温馨提示：您可以联系收件人，或者发邮件给 help@qq.com。`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'netease coremail',
    {
      from: 'postmaster@163.com',
      subject: '系统退信',
      fields: [NULL_SENDER],
      body: `抱歉，您的邮件被退回来了……

收信人：user@example.org
发信人：sender@example.com
主  题：您的订单
退信原因：
英文说明: 550 RP:TRC
中文说明: 发信人当天内累计信件数量超过限制`,
    },
    'bounce | user@example.org 550 -',
  ],
  [
    'coremail in english',
    {
      from: 'postmaster@mail.example.org',
      subject: 'Delivery Status Notification (Failure)',
      fields: [NULL_SENDER],
      body: `This message is generated by Coremail.
Your message to <user@example.org> could not be delivered.
Reason: 550 User not found: user@example.org`,
    },
    'bounce | user@example.org 550 -',
  ],
  [
    'gmail new plain',
    {
      from: 'Mail Delivery Subsystem <mailer-daemon@googlemail.com>',
      subject: 'Delivery Status Notification (Failure)',
      fields: ['X-Failed-Recipients: user@example.org', 'Auto-Submitted: auto-replied'],
      body: `** Address not found **

Your message wasn't delivered to user@example.org because the address couldn't be found, or is unable to receive mail.

Learn more here: https://support.google.com/mail/answer/6596

The response was:

550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. - gsmtp`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'yahoo',
    {
      from: 'MAILER-DAEMON@yahoo.com',
      subject: 'Failure Notice',
      body: `Sorry, we were unable to deliver your message to the following address.

<user@example.org>:
554: 5.7.9 Message not accepted for policy reasons.

--- Below this line is a copy of the message.

${RETURNED}`,
    },
    'bounce | user@example.org 554 5.7.9',
  ],
  [
    'aol old',
    {
      from: 'Mail Delivery Subsystem <MAILER-DAEMON@aol.com>',
      subject: 'Returned mail: User unknown',
      fields: [NULL_SENDER],
      body: `The original message was received at Tue, 1 Apr 2025 08:00:00 -0400 (EDT)
from app.example.com [192.0.2.1]

*** ATTENTION ***

Your e-mail is being returned to you because there was a problem with its
delivery.  The address which was undeliverable is listed in the section
labeled: "----- The following addresses had permanent fatal errors -----".

   ----- The following addresses had permanent fatal errors -----
<user@example.org>

   ----- Transcript of session follows -----
... while talking to air.mail.example.org.:
>>> RCPT To:<user@example.org>
<<< 550 MAILBOX NOT FOUND
550 <user@example.org>... User unknown`,
    },
    'bounce | user@example.org 550 -',
  ],
  [
    'gmx',
    {
      from: '"GMX Mailer Daemon" <mailer-daemon@gmx.net>',
      subject: 'Mail delivery failed: returning message to sender',
      fields: [NULL_SENDER],
      body: `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error. The following address
failed:

user@example.org:
SMTP error from remote server for RCPT TO command, host: mx.example.org (192.0.2.9) reason: 550 5.1.1 User unknown


--- The header of the original message is following. ---

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'imail',
    {
      from: '"Postmaster" <postmaster@mail.example.net>',
      subject: 'Undeliverable Mail',
      fields: ['X-Mailer: <SMTP32 v8.05>'],
      body: `User mailbox exceeds allowed size: user@example.org

Original message follows.

${RETURNED}`,
    },
    'bounce | user@example.org - -',
  ],
  [
    'groupwise',
    {
      from: 'Mailer-Daemon@example.net',
      subject: 'Message status - undeliverable',
      fields: ['X-Mailer: Novell GroupWise Internet Agent 8.0'],
      body: `The message that you sent was undeliverable to the following:
	user@example.org (user not found)

Possibly truncated original message follows:

${RETURNED}`,
    },
    'bounce | user@example.org - -',
  ],
  [
    'zimbra is postfix',
    {
      from: 'MAILER-DAEMON (Mail Delivery System)',
      subject: 'Undelivered Mail Returned to Sender',
      fields: [NULL_SENDER],
      body: `This is the mail system at host zimbra.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<user@example.org> (expanded from <list@example.net>): host mx.example.org[192.0.2.9] said: 554 5.7.1
    Service unavailable; Client host [192.0.2.1] blocked using a list (in reply to RCPT TO command)`,
    },
    'bounce | user@example.org 554 5.7.1',
  ],
  [
    'surgemail',
    {
      from: '<>',
      subject: 'Bounce, Message delivery failure',
      fields: [NULL_SENDER],
      body: `Your message cannot be delivered to the following recipients:

  Failed to deliver to 'user@example.org'
  SMTP module(domain example.org) reports:
   host mx.example.org says:
   550 5.1.1 unknown user

Your message reads (in part):

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'communigate',
    {
      from: 'MAILER-DAEMON@mail.example.net',
      subject: 'Undeliverable mail: Your order',
      fields: [NULL_SENDER],
      body: `Failed to deliver to 'user@example.org'
SMTP module(domain example.org) reports:
 user@example.org: response to RCPT TO was negative:
 550 sorry, no such mailbox

Reporting host: mail.example.net`,
    },
    'bounce | user@example.org 550 -',
  ],
  [
    'mailenable',
    {
      from: 'postmaster@example.net',
      subject: 'Message Delivery Failure',
      fields: [NULL_SENDER],
      body: `MailEnable: Message could not be delivered to some recipients.
The following recipient(s) could not be reached:

	Recipient: [SMTP:user@example.org]
	Reason: Remote SMTP Server Returned: 550 5.1.1 Mailbox unavailable


Message headers follow:

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'hmailserver',
    {
      from: 'mailer-daemon@example.net',
      subject: 'Message undeliverable: Your order',
      body: `Your message did not reach some or all of the intended recipients.

   Sent: Tue, 1 Apr 2025 08:00:00 +0000
   Subject: Your order

The following recipient(s) could not be reached:

user@example.org
   Error Type: SMTP
   Remote server (192.0.2.9) issued an error.
   hMailServer sent: RCPT TO:<user@example.org>
   Remote server replied: 550 5.1.1 User unknown


hMailServer`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'mercury',
    {
      from: 'Mercury Mail System <postmaster@example.net>',
      subject: 'Delivery failure notification',
      fields: [NULL_SENDER],
      body: `With reference to your message with the subject:

   "Your order"

The local mail transport system has reported the following problems
it encountered while trying to deliver your message:

-------------------------------------------------------------------
*** user@example.org
    550 No such local user

-------------------------------------------------------------------

Your mail message is enclosed.`,
    },
    'bounce | user@example.org 550 -',
  ],
  [
    'messagelabs',
    {
      from: 'Mail Delivery System <mailer-daemon@messagelabs.com>',
      subject: 'Mail delivery failed',
      fields: [NULL_SENDER],
      body: `This is the mail delivery agent at messagelabs.com.
I was not able to deliver your message to the following addresses.

<user@example.org>:
192.0.2.9 does not like recipient.
Remote host said: 550 5.7.1 Unable to relay`,
    },
    'bounce | user@example.org 550 5.7.1',
  ],
  [
    'barracuda',
    {
      from: 'Barracuda Email Security <no-reply@barracuda.example.net>',
      subject: '**Message you sent blocked by our bulk email filter**',
      fields: [NULL_SENDER],
      body: `Your message to: user@example.org
was blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:

Subject: Your order`,
    },
    'bounce | user@example.org - -',
  ],
  [
    'mimecast',
    {
      from: '"postmaster" <postmaster@example.net>',
      subject: '[Postmaster] Email Delivery Failure',
      fields: [NULL_SENDER],
      body: `This is an automated alert notification. Please do not reply.

An email that you attempted to send to the following address could not be delivered:
-- user@example.org

The problem appears to be :
-- Recipient server unavailable or busy

Additional information follows :
-- 4.4.2 connection refused`,
    },
    'bounce | user@example.org - 4.4.2',
  ],
  [
    'docomo',
    {
      from: 'postmaster@docomo.ne.jp',
      subject: 'Mail System Error - Returned Mail',
      fields: [NULL_SENDER],
      body: `宛先不明 Unknown address.

The following recipients did not receive this message:

  <user@example.org>

Please reply to Postmaster@docomo.ne.jp`,
    },
    'bounce | user@example.org - -',
  ],
  [
    'opensmtpd',
    {
      from: 'Mailer Daemon <MAILER-DAEMON@mx.example.net>',
      subject: 'Delivery status notification: error',
      fields: [NULL_SENDER],
      body: `    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

user@example.org: 550 5.1.1 <user@example.org>: User unknown
other@example.test: Domain does not exist

    Below is a copy of the original message:

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.1.1 | other@example.test - -',
  ],
  [
    'dma',
    {
      from: 'MAILER-DAEMON <>',
      subject: 'Mail delivery failed',
      body: `This is the DragonFly Mail Agent v0.13 at host.example.net.

There was an error delivering your mail to <user@example.org>.

mx.example.org [192.0.2.9] did not like our RCPT TO:
550 5.1.1 User unknown

Message headers follow.

${RETURNED}`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'mail.ru',
    {
      from: 'mailer-daemon@corp.mail.ru',
      subject: 'Ваше сообщение не доставлено. Mail failure.',
      fields: [NULL_SENDER],
      body: `Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.

К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:

user@example.org
SMTP error from remote mail server after RCPT TO:<user@example.org>:
host mx.example.org [192.0.2.9]: 550 5.1.1 User unknown`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'unknown program, label',
    {
      from: 'MAILER-DAEMON@relay.example.net',
      subject: 'Mail could not be delivered',
      fields: [NULL_SENDER],
      body: `Sorry, we have a problem.

Recipient: user@example.org
Error: 550 5.4.1 Access denied`,
    },
    'bounce | user@example.org 550 5.4.1',
  ],
  [
    'unknown program, sentence',
    {
      from: 'Mail Delivery Subsystem <MAILER-DAEMON@relay.example.net>',
      subject: 'Delivery problem',
      fields: [NULL_SENDER],
      body: `The message to user@example.org could not be delivered because the mailbox is full.
Contact postmaster@relay.example.net with questions, or write to sender@example.com.`,
    },
    'bounce | user@example.org - -',
  ],
  [
    'unknown program, only the returned message',
    {
      from: 'MAILER-DAEMON@relay.example.net',
      subject: 'Undeliverable message',
      fields: [NULL_SENDER],
      body: `Your message bounced. 550 unknown recipient.

----- Original message -----
${RETURNED}`,
    },
    'bounce | user@example.org 550 -',
  ],
  [
    'unknown program, bullets and separate reason',
    {
      from: 'postmaster@example.net',
      subject: 'Nicht zustellbar',
      fields: [NULL_SENDER],
      body: `Ihre Nachricht konnte an folgende Empfänger nicht zugestellt werden:

 * user@example.org
 * other@example.org

Grund: 554 5.7.1 Relay access denied`,
    },
    'bounce | user@example.org 554 5.7.1 | other@example.org 554 5.7.1',
  ],
  [
    'several attempts: the last one decides',
    {
      from: 'MAILER-DAEMON@relay.example.net',
      subject: 'Undelivered Mail',
      fields: [NULL_SENDER],
      body: `<user@example.org>: delivery attempts:
  mx1.example.org said: 421 4.7.0 Try again later
  mx2.example.org said: 550 5.1.1 User unknown`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'portuguese provider',
    {
      from: 'MAILER-DAEMON@correio.example.net',
      subject: 'Mensagem não entregue',
      fields: [NULL_SENDER],
      body: `Sua mensagem não pôde ser entregue ao destinatário: <user@example.org>
Motivo: 550 5.1.1 Usuario desconhecido`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'polish',
    {
      from: 'Mailer-Daemon@poczta.example.net',
      subject: 'Niedostarczona wiadomość',
      fields: [NULL_SENDER],
      body: `Wiadomość nie została dostarczona do adresata:

  user@example.org

550 5.1.1 Nie ma takiego użytkownika`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'japanese',
    {
      from: 'メール配信システム <postmaster@mail.example.net>',
      subject: 'メールを配信できませんでした',
      fields: [NULL_SENDER],
      body: `次の宛先にメールを送信できませんでした。

宛先: user@example.org
理由: 550 5.1.1 User unknown`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'korean',
    {
      from: 'MAILER-DAEMON@mail.example.net',
      subject: '반송된 메일',
      fields: [NULL_SENDER],
      body: `메일을 전송하지 못했습니다.

받는 사람 : user@example.org
사유 : 550 5.1.1 존재하지 않는 사용자입니다.`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'aliyun',
    {
      from: 'mailer-daemon@aliyun.example.net',
      subject: '退信通知',
      fields: [NULL_SENDER],
      body: `很抱歉，您发送的邮件未能送达。

收件人：<user@example.org>
退信原因：552 Quota exceeded`,
    },
    'bounce | user@example.org 552 -',
  ],
  [
    'groups',
    {
      from: 'Google Groups <mailer-daemon@google.com>',
      subject: 'Delivery Status Notification (Failure)',
      fields: [NULL_SENDER, 'X-Failed-Recipients: group@example.org'],
      body: `Hello sender@example.com,

We're writing to let you know that the group you tried to contact (group) may not exist.`,
    },
    'bounce | group@example.org - -',
  ],
  [
    'zoho',
    {
      from: 'mailer-daemon@mail.zoho.com',
      subject: 'Undelivered Mail Returned to Sender',
      body: `This message was created automatically by mail delivery software.
A message that you sent could not be delivered to one or more of its recipients. This is a permanent error.

user@example.org, ERROR CODE :550 - 5.1.1 User does not exist`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'czech, the address inside a sentence',
    {
      from: 'MAILER-DAEMON@mx.example.net',
      subject: 'Zprávu nelze doručit',
      fields: [NULL_SENDER],
      body: `Vaši zprávu se nepodařilo doručit na adresu user@example.org.
Důvod: 550 5.1.1 uživatel neexistuje`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'hebrew, the address inside a sentence',
    {
      from: 'postmaster@example.net',
      subject: 'לא ניתן למסירה: order',
      fields: [NULL_SENDER],
      body: `לא היתה אפשרות למסור את ההודעה שלך אל user@example.org.

Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound'`,
    },
    'bounce | user@example.org 550 5.1.10',
  ],
  [
    'russian, reply of the server',
    {
      from: 'mailer-daemon@mx.example.net',
      subject: 'Письмо не доставлено',
      fields: [NULL_SENDER],
      body: `Ваше письмо не было доставлено следующему получателю: user@example.org
Ответ сервера: 550 5.1.1 Такого пользователя нет`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'two possible addresses in sentences: no recipient',
    {
      from: 'postmaster@example.net',
      subject: 'Zprávu nelze doručit, delivery failed',
      fields: [NULL_SENDER],
      body: `Adresa a@example.org i adresa b@example.org.
Důvod: 550 5.1.1`,
    },
    'bounce | null 550 5.1.1',
  ],
  [
    'routing service',
    {
      from: 'mailer-daemon@example.net',
      subject: 'Delivery Status Notification (Failure)',
      fields: [NULL_SENDER],
      body: `** Message not delivered **

There was a problem delivering your message to user@example.org. See the technical details below.

upstream error: 552 5.2.2 mailbox full`,
    },
    'bounce | user@example.org 552 5.2.2',
  ],
  [
    'stalwart delay',
    {
      from: 'Mail Delivery Subsystem <mailer-daemon@mx.example.net>',
      subject: 'Warning: Delay in message delivery',
      fields: [NULL_SENDER],
      body: `There was a temporary problem delivering your message to the following recipients:

<user@example.org> (connection to 'mx.example.org' failed: Connection timed out)`,
    },
    'delay | user@example.org - -',
  ],
  [
    'haraka',
    {
      from: 'MAILER-DAEMON <postmaster@mx.example.net>',
      subject: 'failed mail',
      fields: [NULL_SENDER],
      body: `This is the mail system at mx.example.net.
I was not able to deliver your mail to the following addresses.

Intended Recipients: <user@example.org>
Failure Reason: Error: 550 5.1.1 no mailbox by that name`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'the tuple of a Python exception',
    {
      from: 'mailer-daemon@mx.example.net',
      subject: 'Delivery failed',
      fields: [NULL_SENDER],
      body: `The mail could not be delivered.

user@example.org: (550, b'5.1.1 no such user')`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'text before the first boundary',
    {
      from: 'MAILER-DAEMON@mx.example.net',
      subject: 'Undelivered Mail Returned to Sender',
      fields: [NULL_SENDER, 'Content-Type: multipart/mixed; boundary=b'],
      body: `This is a multi-part message in MIME format.

<user@example.org>: host mx.example.org[192.0.2.9] said: 550 5.1.1 No such user

--b
Content-Type: message/rfc822

${RETURNED}
--b--
`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'chinese label',
    {
      from: 'postmaster@example.net',
      subject: '系统退信',
      fields: [NULL_SENDER],
      body: `您发送给 user@example.org 的邮件被退回。
原因：552 邮箱已满`,
    },
    'bounce | user@example.org 552 -',
  ],
  [
    'MDaemon with a dated transcript',
    {
      from: 'MDaemon@mail.example.org',
      subject: 'Permanent Delivery Failure',
      fields: [NULL_SENDER],
      body: `The attached message had PERMANENT fatal delivery errors!

Failed address: user@example.net

--- Session Transcript ---
 Thu 2026-01-01 10:00:00: Attempting SMTP connection to mx.example.net:25
 Thu 2026-01-01 10:00:01: <-- 220 mx.example.net ESMTP
 Thu 2026-01-01 10:00:01: --> MAIL From:<b@bounce.example.com>
 Thu 2026-01-01 10:00:01: <-- 250 OK
 Thu 2026-01-01 10:00:01: --> RCPT To:<user@example.net>
 Thu 2026-01-01 10:00:01: <-- 551 5.1.6 Address has moved away
--- End Transcript ---`,
    },
    'bounce | user@example.net 551 5.1.6',
  ],
  [
    'IMail with the response below a title',
    {
      from: 'Postmaster <postmaster@mail.example.com>',
      subject: 'Undeliverable Mail',
      fields: [NULL_SENDER],
      body: `undeliverable to user@example.net

Body of message generated response:
550-REJECTED - the link in the message is on a list
550 See the postmaster page`,
    },
    'bounce | user@example.net 550 -',
  ],
  [
    'report pasted below the text of a provider',
    {
      from: 'MAILER-DAEMON@mail.example.com',
      subject: 'Undelivered Mail Returned to Sender',
      fields: ['Return-Path: <MAILER-DAEMON>', 'Precedence: bulk'],
      body: `I'm sorry to have to inform you that the message returned
below could not be delivered to one or more destinations.

For further assistance, please contact <support@provider.example>
---------------------------------
Return-Path: <>
Received: from relay.provider.example by mail.example.com
Date: Thu, 1 Jan 2026 10:00:00 +0000
From: MAILER-DAEMON@relay.provider.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=c

--c
Content-Type: message/delivery-status

${DSN}
--c--`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
  [
    'cause before the address',
    {
      from: 'MAILER-DAEMON@example.com',
      subject: 'Returned mail: Offer',
      fields: [NULL_SENDER],
      body: `User's mailbox is full: <user@example.net>
Unable to deliver mail.`,
    },
    'bounce | user@example.net - -',
  ],
  [
    'IronPort with its own summary before the reply',
    {
      from: 'Mail Delivery System <MAILER-DAEMON@ip.example.org>',
      subject: 'Delivery Status Notification (Failure)',
      fields: [NULL_SENDER],
      body: `The following message to <user@example.net> was undeliverable.
The reason for the problem:
5.1.0 - Unknown address error 550-'5.7.1 <b@bounce.example.com>... Access denied'`,
    },
    'bounce | user@example.net 550 5.7.1',
  ],
  [
    'bounce forwarded as attachment',
    {
      from: PERSON,
      subject: 'WG: Unzustellbar',
      fields: [PERSONAL_PATH, 'Content-Type: multipart/mixed; boundary=b'],
      body: `--b
Content-Type: text/plain

Was heißt das?
--b
Content-Type: message/rfc822

From: MAILER-DAEMON@mx.example.net
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=c

--c
Content-Type: message/delivery-status

${DSN}
--c--
--b--`,
    },
    'bounce | user@example.org 550 5.1.1',
  ],
]

export const OTHERS: readonly Case[] = [
  [
    'newsletter about bounces',
    {
      from: 'Deliverability Weekly <news@example.org>',
      subject: 'Why your mail bounces: 550 5.1.1 explained',
      fields: ['List-Unsubscribe: <https://example.org/u>', 'List-Id: <news.example.org>', 'Return-Path: <b-12@example.org>'],
      body: `When a mailbox does not exist the server says:

550 5.1.1 <user@example.net>: Recipient address rejected: User unknown

Undeliverable mail hurts your reputation.`,
    },
    'other',
  ],
  [
    'bounce forwarded inline',
    {
      from: PERSON,
      subject: 'Fwd: Undelivered Mail Returned to Sender',
      fields: [PERSONAL_PATH],
      body: `Hi, can you look at this?

---------- Forwarded message ---------
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
Date: Tue, 1 Apr 2025 08:00:00 +0000
Subject: Undelivered Mail Returned to Sender
To: <anna@example.org>

This is the mail system at host mx.example.net.

<user@example.org>: host mx.example.org[192.0.2.9] said: 550 5.1.1 User unknown`,
    },
    'other',
  ],
  [
    'reply to a bounce',
    {
      from: PERSON,
      subject: 'Re: Undelivered Mail Returned to Sender',
      fields: [PERSONAL_PATH, 'In-Reply-To: <1@example.com>'],
      body: `I tried again and it worked.

On Tue, 1 Apr 2025 MAILER-DAEMON wrote:
> <user@example.org>: host mx.example.org said: 550 5.1.1 User unknown`,
    },
    'other',
  ],
  [
    'question about a bounce',
    {
      from: PERSON,
      subject: 'Problem with delivery',
      fields: [PERSONAL_PATH],
      body: `Hello, when I write to user@example.org I get "550 5.1.1 User unknown". Can you help?`,
    },
    'other',
  ],
  [
    'spam that imitates a bounce',
    {
      from: 'Mail Delivery System <info@example.net>',
      subject: 'Mail delivery failed: 5 messages pending',
      fields: ['Return-Path: <info@example.net>', 'Content-Type: text/html'],
      body: `<p>Dear user, 5 incoming messages could not be delivered to your mailbox. <a href="https://example.net/x">Release messages now</a></p>`,
    },
    'other',
  ],
  [
    'list moderation',
    {
      from: 'announce-owner@lists.example.org',
      subject: 'Your message to Announce awaits moderator approval',
      fields: [
        'Auto-Submitted: auto-replied',
        'Precedence: bulk',
        'List-Id: <announce.lists.example.org>',
        'Return-Path: <announce-bounces@lists.example.org>',
      ],
      body: `Your mail to 'Announce' with the subject

    Your order

Is being held until the list moderator can review it for approval.

The reason it is being held:

    Post by non-member to a members-only list`,
    },
    'auto-reply',
  ],
  [
    'mailman bounce action notice',
    {
      from: 'mailman@lists.example.org',
      subject: 'Bounce action notification',
      fields: ['List-Id: <announce.lists.example.org>', 'Return-Path: <mailman-bounces@lists.example.org>'],
      body: `This is a Mailman mailing list bounce action notice:

    List:       Announce
    Member:     user@example.org
    Action:     Subscription disabled.
    Reason:     Excessive or fatal bounces.`,
    },
    'other',
  ],
  [
    'subscription probe',
    {
      from: 'announce-request@lists.example.org',
      subject: 'confirm 0123456789abcdef',
      fields: ['List-Id: <announce.lists.example.org>'],
      body: `Your membership in the mailing list Announce has been disabled due to excessive bounces.`,
    },
    'other',
  ],
  [
    'ticket',
    {
      from: 'Support <support@example.org>',
      subject: '[#4711] We received your request',
      fields: ['Auto-Submitted: auto-generated', 'Return-Path: <support@example.org>'],
      body: `Thank you for contacting us. Your ticket number is 4711. If mail to us fails, write to help@example.org.`,
    },
    'other',
  ],
  [
    'ticket, auto-replied',
    {
      from: 'Support <support@example.org>',
      subject: 'Ticket 4711: delivery problem',
      fields: ['Auto-Submitted: auto-replied', 'Return-Path: <>'],
      body: `We received your message "undeliverable parcel" and will answer within a day.`,
    },
    'auto-reply',
  ],
  [
    'challenge',
    {
      from: 'Anna Smith <anna@example.org>',
      subject: 'Please confirm your message',
      fields: ['Return-Path: <>'],
      body: `Your message was not delivered yet. Click the link to prove that you are human: https://example.org/c/1`,
    },
    'auto-reply',
  ],
  [
    'challenge of a service',
    {
      from: 'anna@example.org',
      subject: 'Re: Your order (verification required)',
      fields: ['Return-Path: <>'],
      body: `I use Spam Arrest. To deliver your message follow this link and verify.`,
    },
    'auto-reply',
  ],
  [
    'bounce statistics',
    {
      from: 'Reports <reports@example.org>',
      subject: 'Daily bounce report',
      fields: ['Auto-Submitted: auto-generated', 'Return-Path: <reports@example.org>'],
      body: `Bounces yesterday:

user@example.net   550 5.1.1   12
other@example.net  552 5.2.2    3

Total: 15`,
    },
    'other',
  ],
  [
    'dmarc aggregate',
    {
      from: 'noreply-dmarc-support@example.org',
      subject: 'Report domain: example.com Submitter: example.org Report-ID: 42',
      fields: [
        'Content-Type: application/zip; name="example.org!example.com!1743379200!1743465599.zip"',
        'Content-Transfer-Encoding: base64',
      ],
      body: 'UEsDBAoAAAAAAA==',
    },
    'auth-failure',
  ],
  [
    'dmarc failure report',
    {
      from: 'dmarc@example.org',
      subject: 'FW: Your order',
      fields: ['Content-Type: multipart/report; report-type=feedback-report; boundary=b'],
      body: `--b
Content-Type: text/plain

This is an authentication failure report.
--b
Content-Type: message/feedback-report

Feedback-Type: auth-failure
Version: 1
User-Agent: X/1
Auth-Failure: dmarc
--b--`,
    },
    'auth-failure',
  ],
  [
    'arf',
    {
      from: 'fbl@example.org',
      subject: 'Abuse report',
      fields: ['Content-Type: multipart/report; report-type=feedback-report; boundary=b'],
      body: `--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Rcpt-To: user@example.org
--b
Content-Type: message/rfc822

${RETURNED}
--b--`,
    },
    'complaint',
  ],
  [
    'arf without a type',
    {
      from: 'fbl@example.org',
      subject: 'Abuse report',
      fields: ['Content-Type: multipart/report; report-type="feedback-report"; boundary=b'],
      body: `--b
Content-Type: message/feedback-report

Version: 1
User-Agent: X/1
--b--`,
    },
    'complaint',
  ],
  [
    'arf as text',
    {
      from: 'fbl@example.org',
      subject: 'Abuse report',
      body: `This is an abuse report.

Feedback-Type: abuse
User-Agent: X/1
Version: 1
Original-Rcpt-To: user@example.org`,
    },
    'complaint',
  ],
  [
    'not spam',
    {
      from: 'fbl@example.org',
      subject: 'Report',
      fields: ['Content-Type: message/feedback-report'],
      body: `Feedback-Type: not-spam
Version: 1`,
    },
    'not-spam',
  ],
  [
    'jmrp',
    {
      from: 'staff@hotmail.com',
      subject: 'complaint about message from 192.0.2.1',
      fields: ['Content-Type: multipart/mixed; boundary=b'],
      body: `--b
Content-Type: message/rfc822

X-HmXmrOriginalRecipient: user@example.org
${RETURNED}
--b--`,
    },
    'complaint',
  ],
  [
    'xarf about mail',
    {
      from: 'abuse@example.org',
      subject: 'Spam report',
      fields: ['Content-Type: multipart/mixed; boundary=b'],
      body: `--b
Content-Type: text/plain

See attachment.
--b
Content-Type: application/json; name=xarf.json

{"Version":"3","ReporterInfo":{"ReporterOrg":"X"},"Report":{"ReportClass":"Activity","ReportType":"Spam","SourceIp":"192.0.2.1","SmtpRcptToAddress":"user@example.org"}}
--b--`,
    },
    'complaint',
  ],
  [
    'xarf about a port scan',
    {
      from: 'abuse@example.org',
      subject: 'Port scan',
      fields: ['Content-Type: multipart/mixed; boundary=b'],
      body: `--b
Content-Type: application/json; name=xarf.json

{"Version":"3","ReporterInfo":{"ReporterOrg":"X"},"Report":{"ReportClass":"Activity","ReportType":"PortScan","SourceIp":"192.0.2.1"}}
--b--`,
    },
    'other',
  ],
  [
    'complaint written by a person',
    {
      from: PERSON,
      subject: 'Spam!',
      fields: [PERSONAL_PATH],
      body: `I never subscribed to this. Stop sending spam or I will complain to your provider.`,
    },
    'other',
  ],
  [
    'mdn',
    {
      from: PERSON,
      subject: 'Return Receipt (displayed) - Your order',
      fields: ['Content-Type: multipart/report; report-type=disposition-notification; boundary=b'],
      body: `--b
Content-Type: text/plain

This is a receipt.
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; user@example.org
Disposition: manual-action/MDN-sent-manually; displayed
--b--`,
    },
    'mdn',
  ],
  [
    'receipt of exchange',
    {
      from: PERSON,
      subject: 'Read: Your order',
      fields: [PERSONAL_PATH],
      body: `Your message

   To: Anna Smith
   Subject: Your order
   Sent: Tuesday, April 1, 2025 8:00 AM

was read on Tuesday, April 1, 2025 9:00 AM.`,
    },
    'mdn',
  ],
  [
    'deleted unread',
    {
      from: PERSON,
      subject: 'Not read: Your order',
      fields: ['Content-Type: multipart/report; report-type=disposition-notification; boundary=b'],
      body: `--b
Content-Type: text/plain

was deleted without being read on Tuesday.
--b--`,
    },
    'mdn',
  ],
  ['unsubscribe', { from: PERSON, subject: 'unsubscribe', fields: [PERSONAL_PATH], to: 'unsub+abc@example.com', body: '' }, 'unsubscribe'],
  ['unsubscribe in chinese', { from: PERSON, subject: '退订', fields: [PERSONAL_PATH], body: '请取消订阅' }, 'unsubscribe'],
  [
    'newsletter with an unsubscribe line',
    {
      from: 'News <news@example.org>',
      subject: 'Unsubscribe any time: our spring sale',
      fields: ['List-Unsubscribe: <mailto:u@example.org>'],
      body: 'Sale! '.repeat(200),
    },
    'other',
  ],
  ['a mail of a person', { from: PERSON, subject: 'Lunch?', fields: [PERSONAL_PATH], body: 'Are you free at noon?' }, 'other'],
  [
    'a message written by a postmaster',
    {
      from: 'Postmaster <postmaster@example.org>',
      subject: 'Maintenance tonight',
      fields: ['Return-Path: <postmaster@example.org>'],
      body: `Our servers will be down. If you see delivery errors, contact help@example.org.`,
    },
    'other',
  ],
  [
    'delivered report',
    {
      from: 'MAILER-DAEMON@mx.example.net',
      subject: 'Successful Mail Delivery Report',
      fields: [NULL_SENDER, 'Content-Type: multipart/report; report-type=delivery-status; boundary=b'],
      body: `--b
Content-Type: text/plain

Your message was successfully delivered to the destination(s) listed below.

<user@example.org>: delivery via mx.example.org: 250 2.0.0 Ok
--b
Content-Type: message/delivery-status

${DSN.replace('failed', 'delivered').replace('5.1.1', '2.0.0').replace('550 5.1.1 User unknown', '250 2.0.0 Ok')}
--b--`,
    },
    'delivered',
  ],
  [
    'delayed report',
    {
      from: 'MAILER-DAEMON@mx.example.net',
      subject: 'Delayed Mail (still being retried)',
      fields: [NULL_SENDER, 'Content-Type: multipart/report; report-type=delivery-status; boundary=b'],
      body: `--b
Content-Type: message/delivery-status

${DSN.replace('failed', 'delayed').replaceAll('5.1.1', '4.4.1')}
--b--`,
    },
    'delay',
  ],
  [
    'out of office, english',
    {
      from: PERSON,
      subject: 'Automatic reply: Your order',
      fields: [NULL_SENDER],
      body: `I am out of the office. Mail to bob@example.org if urgent; my mailbox is full.`,
    },
    'auto-reply',
  ],
  [
    'out of office, german',
    {
      from: PERSON,
      subject: 'Abwesenheitsnotiz: Ihre Bestellung',
      fields: [NULL_SENDER],
      body: `Ich bin nicht im Haus. Ihre Nachricht wird nicht weitergeleitet.`,
    },
    'auto-reply',
  ],
  [
    'out of office, french',
    {
      from: PERSON,
      subject: 'Réponse automatique : Votre commande',
      fields: [NULL_SENDER],
      body: `Je suis absente. En cas d'urgence: bob@example.org`,
    },
    'auto-reply',
  ],
  [
    'out of office, spanish',
    { from: PERSON, subject: 'Respuesta automática: Su pedido', fields: [NULL_SENDER], body: `No estoy. Escriba a bob@example.org.` },
    'auto-reply',
  ],
  [
    'out of office, portuguese',
    { from: PERSON, subject: 'Resposta automática: Pedido', fields: [NULL_SENDER], body: `Não estou no escritório.` },
    'auto-reply',
  ],
  [
    'out of office, italian',
    { from: PERSON, subject: 'Risposta automatica: Ordine', fields: [NULL_SENDER], body: `Sono fuori ufficio.` },
    'auto-reply',
  ],
  [
    'out of office, dutch',
    { from: PERSON, subject: 'Automatisch antwoord: Bestelling', fields: [NULL_SENDER], body: `Ik ben afwezig.` },
    'auto-reply',
  ],
  [
    'out of office, swedish',
    { from: PERSON, subject: 'Autosvar: Beställning', fields: [NULL_SENDER], body: `Jag är inte på kontoret.` },
    'auto-reply',
  ],
  [
    'out of office, russian',
    { from: PERSON, subject: 'Автоматический ответ: Заказ', fields: [NULL_SENDER], body: `Меня нет на месте.` },
    'auto-reply',
  ],
  [
    'out of office, chinese',
    { from: PERSON, subject: '自动回复: 您的订单', fields: [NULL_SENDER], body: `您好，我正在休假，无法回复您的邮件。` },
    'auto-reply',
  ],
  [
    'out of office, japanese',
    { from: PERSON, subject: '自動返信: ご注文', fields: [NULL_SENDER], body: `現在不在にしております。` },
    'auto-reply',
  ],
  ['out of office, korean', { from: PERSON, subject: '부재중 알림', fields: [NULL_SENDER], body: `휴가 중입니다.` }, 'auto-reply'],
  [
    'out of office, polish',
    { from: PERSON, subject: 'Automatyczna odpowiedź: Zamówienie', fields: [NULL_SENDER], body: `Jestem poza biurem.` },
    'auto-reply',
  ],
  [
    'vacation with a field only',
    { from: PERSON, subject: 'Your order', fields: ['Auto-Submitted: auto-replied (vacation)', NULL_SENDER], body: `Back on Monday.` },
    'auto-reply',
  ],
  [
    'has left the company',
    {
      from: PERSON,
      subject: 'Automatic reply: Your order',
      fields: [NULL_SENDER, 'Auto-Submitted: auto-generated'],
      body: `Anna no longer works here. This mailbox is not monitored; your mail was not delivered. Write to bob@example.org`,
    },
    'auto-reply',
  ],
  ['nothing at all', { from: '', subject: '', body: '' }, 'other'],
]
