/**
 * parts-texts - texts of a mail shown as parts or source
 */
import { defineTexts } from '../../texts/define-texts.ts'

const en = {
  view: 'View',
  tree: 'Parts',
  source: 'Source',
  download: 'Download',
  truncated: 'This is the beginning; the download has all of it.',
  defects: 'Breaks the rules of MIME: {list}',
  bytes: '{size}, {encoding}',
}

const zh: Readonly<Record<keyof typeof en, string>> = {
  view: '视图',
  tree: '结构',
  source: '源代码',
  download: '下载',
  truncated: '这里只显示开头部分，下载文件包含全部内容。',
  defects: '不符合 MIME 规范：{list}',
  bytes: '{size}，{encoding}',
}

export const partsTexts = defineTexts({ en, zh })
