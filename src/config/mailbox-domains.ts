/**
 * mailbox-domains - domains that give a mailbox to anybody who asks
 *
 * Everybody with a mailbox there can have mail signed by the domain, so no reporter is believed by such a domain alone.
 *
 * See also: config/reporters, correlate/reporter.
 */
const MAILBOX_DOMAINS: ReadonlySet<string> = new Set(
  `
  126.com 163.com 188.com 1und1.de aim.com aliyun.com aol.com bk.ru bluewin.ch comcast.net cox.net email.cz emailsrvr.com
  exmail.qq.com fastmail.com fastmail.fm foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net
  googlemail.com hostedemail.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr hotmail.it icloud.com inbox.lv inbox.ru
  internet.ru ionos.com laposte.net libero.it list.ru live.com mac.com mail.com mail.ru me.com messagingengine.com msn.com
  naver.com o2.pl orange.fr outlook.com outlook.de outlook.fr pobox.com post.cz proton.me protonmail.com qq.com rediffmail.com
  rocketmail.com rr.com seznam.cz sfr.fr sina.cn sina.com sky.com sohu.com t-online.de tiscali.it tuta.com tutanota.com uol.com.br usa.net
  vip.163.com vip.qq.com virgilio.it wanadoo.fr web.de wp.pl ya.ru yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.de
  yahoo.fr yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com zoho.eu zoho.in zohomail.com
`
    .trim()
    .split(/\s+/),
)

/** Whether a domain in lower case gives mailboxes to anybody. */
export const isMailboxDomain = (domain: string): boolean => MAILBOX_DOMAINS.has(domain)
