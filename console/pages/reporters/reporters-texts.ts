/**
 * reporters-texts - texts of the page of reporters
 */
import { defineTexts } from '../../texts/define-texts.ts'

const en = {
  title: 'Reporters',
  lead: 'Operators of feedback loops. A complaint of theirs counts by its signature; one of anybody else needs our token.',
  name: 'Reporter',
  from: 'From addresses',
  domains: 'Signed by',
  unsigned: 'does not sign',
  aligned: 'any of its domain',
  complaints: 'Complaints, four weeks',
  last: 'Last complaint',
  none: 'none in four weeks',
  empty: 'There is no reporter',
  emptyHelp: 'Add your own in the settings: reporters.own.',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  title: '投诉报告方',
  lead: '反馈环的运营方。其投诉凭签名生效；其他来源的投诉需要我们的令牌。',
  name: '报告方',
  from: '发件地址',
  domains: '签名域名',
  unsigned: '不签名',
  aligned: '该域名下的任意地址',
  complaints: '四周内的投诉',
  last: '最近一次投诉',
  none: '四周内没有',
  empty: '没有报告方',
  emptyHelp: '可在设置 reporters.own 中添加。',
}

export const reportersTexts = defineTexts({ en, zh })
