/**
 * alert-texts - the names of alerts
 *
 * The keys are those of the API. An unknown one is shown as it is (`alertTexts.word`).
 */
import { defineTexts } from './define-texts.ts'

const en = {
  'bounce-rate': 'Share of mails that bounced',
  'complaint-rate': 'Share of mails reported as spam',
  'unmatched-share': 'Share of reports that refer to no mail of ours',
  'other-share': 'Share of replies that no rule decides',
  'contradicted-share': 'Share of bounces whose mail a person opened later',
  'lane-paused': 'Sending is paused while mail waits',
  'tracking-domain': 'The tracking domain does not lead here',
  mailbox: 'An IMAP mailbox cannot be read',
  certificate: 'A certificate ends soon, or cannot be used',
  'webhook-failing': 'A webhook endpoint fails',
  'feedback-silence': 'A feedback loop is silent',
  'disk-space': 'The disk is filling',
  'retirement-held': 'Old data is kept because the clock is doubtful',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  'bounce-rate': '退信比例',
  'complaint-rate': '垃圾邮件投诉比例',
  'unmatched-share': '无法对应到邮件的报告比例',
  'other-share': '没有规则判定的回复比例',
  'contradicted-share': '退信后又被本人打开的比例',
  'lane-paused': '有邮件等待但发送已暂停',
  'tracking-domain': '跟踪域名未指向本系统',
  mailbox: '无法读取 IMAP 邮箱',
  certificate: '证书即将到期或无法使用',
  'webhook-failing': 'Webhook 端点失败',
  'feedback-silence': '反馈环没有任何报告',
  'disk-space': '磁盘空间不足',
  'retirement-held': '时钟可疑，旧数据暂不清理',
}

export const alertTexts = defineTexts({ en, zh })
