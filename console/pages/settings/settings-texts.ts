/**
 * settings-texts - texts of the page of the settings in force
 */
import { defineTexts } from '../../texts/define-texts.ts'

const en = {
  title: 'Settings in force',
  lead: 'What the daemon runs with, where each value comes from, and why its default is what it is. They are changed in the settings file or the environment.',
  setting: 'Setting',
  value: 'Value',
  source: 'From',
  default: 'default',
  file: 'file',
  environment: 'environment',
  reason: 'What it does, and the reason of its default',
  search: 'Part of the name or the text',
  changedOnly: 'Which settings',
  all: 'All',
  changed: 'Changed',
  empty: 'No setting fits',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  title: '生效的设置',
  lead: '守护进程当前的设置、每个值的来源及默认值的理由。可在设置文件或环境变量中更改。',
  setting: '设置项',
  value: '值',
  source: '来源',
  default: '默认值',
  file: '文件',
  environment: '环境变量',
  reason: '作用及默认值的理由',
  search: '名称或说明中的一部分',
  changedOnly: '显示哪些设置',
  all: '全部',
  changed: '已更改',
  empty: '没有符合的设置',
}

export const settingsTexts = defineTexts({ en, zh })
