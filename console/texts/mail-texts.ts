/**
 * mail-texts - texts of the view of a mail: its source, its parts, and what was read in it
 *
 * See also: components/mail-view.
 */
import { defineTexts } from './define-texts.ts'

const en = {
  source: 'Source',
  read: 'What was read in it',
  kind: 'Kind of report',
  reportingMta: 'Reporting MTA',
  parts: 'Parts',
  recipients: 'Recipients ({n})',
  noRecipients: 'It names no recipient.',
  reply: 'Reply',
  verdict: 'Verdict',
  rule: 'Rule',
  table: 'table {version}',
  recorded: 'Changes nothing: {why}',
  defects: 'Defects',
  shortened: 'Only the first {n} characters are shown. Download the mail for all of it.',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  source: '源文件',
  read: '读取结果',
  kind: '报告类型',
  reportingMta: '报告方 MTA',
  parts: '组成部分',
  recipients: '收件人（{n}）',
  noRecipients: '报告没有提到收件人。',
  reply: '回复',
  verdict: '判定',
  rule: '规则',
  table: '规则表 {version}',
  recorded: '不会产生变化：{why}',
  defects: '缺陷',
  shortened: '仅显示前 {n} 个字符。请下载邮件查看全部内容。',
}

export const mailTexts = defineTexts({ en, zh })
